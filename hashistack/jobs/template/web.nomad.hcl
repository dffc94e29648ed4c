# Two copies of a small web server, called web.service.consul by whatever is in the cluster.
job "web" {
  group "web" {
    count = 2

    network {
      mode = "bridge"
      port "http" {}
    }

    service {
      name = "web"
      port = "http"

      check {
        type     = "http"
        path     = "/"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "server" {
      driver = "exec"

      config {
        command = "/bin/sh"
        # Alpine keeps busybox's httpd in a program of its own.
        args = ["-c", "exec $(command -v busybox-extras || command -v busybox) httpd -f -p $NOMAD_PORT_http -h local"]
      }

      template {
        destination = "local/index.html"
        data        = "hello from {{ env \"node.unique.name\" }}\n"
      }

      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}
