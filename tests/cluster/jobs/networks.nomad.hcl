# Containers in each network that a container can have.
job "networks" {
  group "host" {
    network {
      mode = "host"
      port "http" {}
    }
    service {
      name = "networks-host"
      port = "http"
      check {
        type     = "tcp"
        interval = "1s"
        timeout  = "2s"
      }
    }
    update {
      min_healthy_time = "1s"
    }
    task "host" {
      driver = "docker"
      config {
        image        = "hashistack-tests/busybox:1"
        network_mode = "host"
        command      = "sh"
        args         = ["-c", "exec httpd -f -p $NOMAD_PORT_http -h /local"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }

  group "docker-bridge" {
    network {
      port "http" {
        static = 18086
        to     = 8080
      }
    }
    service {
      name     = "networks-bridge"
      provider = "nomad"
      port     = "http"
      check {
        type     = "http"
        path     = "/index.html"
        interval = "1s"
        timeout  = "2s"
      }
    }
    update {
      min_healthy_time = "1s"
    }
    task "bridge" {
      driver = "docker"
      config {
        image        = "hashistack-tests/busybox:1"
        network_mode = "bridge"
        ports        = ["http"]
        command      = "httpd"
        args         = ["-f", "-p", "8080", "-h", "/local"]
      }
      template {
        destination = "local/index.html"
        data        = "bridge\n"
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }

  group "none" {
    update {
      health_check     = "task_states"
      min_healthy_time = "1s"
    }
    task "none" {
      driver = "docker"
      config {
        image        = "hashistack-tests/busybox:1"
        network_mode = "none"
        command      = "sh"
        args         = ["-c", "exec sleep 3600"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
