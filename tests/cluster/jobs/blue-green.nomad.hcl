variable "version" {
  type = string
}

job "blue-green" {
  group "web" {
    count = 2
    update {
      canary           = 2
      max_parallel     = 2
      min_healthy_time = "1s"
      healthy_deadline = "2m"
      auto_revert      = true
      auto_promote     = false
    }
    network {
      port "http" {}
    }
    service {
      name        = "blue-green"
      port        = "http"
      tags        = ["live"]
      canary_tags = ["trial"]
      check {
        type     = "http"
        path     = "/index.html"
        interval = "1s"
        timeout  = "2s"
      }
    }
    task "web" {
      driver = "docker"
      config {
        image        = "hashistack-tests/busybox:1"
        network_mode = "host"
        command      = "httpd"
        args         = ["-f", "-p", "${NOMAD_PORT_http}", "-h", "/local"]
      }
      template {
        destination = "local/index.html"
        data        = "version ${var.version}\n"
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
