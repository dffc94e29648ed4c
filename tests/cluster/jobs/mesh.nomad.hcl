# A service in the mesh, and one that asks it. Who asks `mesh-gate`, outside of the mesh, asks `mesh-api` by the sidecars
# of both.
job "mesh" {
  migrate {
    min_healthy_time = "1s"
  }
  spread {
    attribute = "${node.unique.id}"
  }

  group "api" {
    count          = 2
    shutdown_delay = "4s"
    network {
      mode = "bridge"
    }
    service {
      name = "mesh-api"
      port = "8080"
      check {
        type     = "http"
        path     = "/index.html"
        interval = "1s"
        timeout  = "2s"
        expose   = true

        # One late answer of a busy machine leaves nobody to ask while the other instance moves.
        failures_before_critical = 3
      }
      connect {
        sidecar_service {}
      }
    }
    update {
      min_healthy_time = "1s"
    }
    task "api" {
      driver      = "exec"
      kill_signal = "SIGKILL"
      config {
        command = "/bin/sh"
        args    = ["-c", "exec $(command -v busybox-extras || command -v busybox) httpd -f -p 127.0.0.1:8080 -h local"]
      }
      template {
        destination = "local/index.html"
        data        = "mesh {{ env \"NOMAD_ALLOC_ID\" }}\n"
      }
      resources {
        cpu    = 20
        memory = 32
      }
    }
  }

  group "front" {
    count          = 2
    shutdown_delay = "4s"
    network {
      mode = "bridge"
      port "http" {
        to = 9191
      }
    }
    service {
      name = "mesh-gate"
      port = "http"
      check {
        type     = "tcp"
        interval = "1s"
        timeout  = "2s"

        failures_before_critical = 3
      }
    }
    service {
      name = "mesh-front"
      port = "http"
      connect {
        sidecar_service {
          proxy {
            upstreams {
              destination_name   = "mesh-api"
              local_bind_address = "0.0.0.0"
              local_bind_port    = 9191
            }
          }
        }
      }
    }
    update {
      min_healthy_time = "1s"
    }
    task "front" {
      driver      = "exec"
      kill_signal = "SIGKILL"
      config {
        command = "/bin/sleep"
        args    = ["86400"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
