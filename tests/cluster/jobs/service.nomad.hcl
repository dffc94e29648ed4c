# A service of containers in bridge networks, with all that says where its allocations may be.
job "service" {
  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }
  constraint {
    operator = "distinct_hosts"
    value    = "true"
  }
  affinity {
    attribute = "${node.datacenter}"
    value     = "dc1"
    weight    = 50
  }
  spread {
    attribute = "${node.unique.name}"
    weight    = 100
  }

  group "web" {
    count = 2
    constraint {
      attribute = "${attr.driver.docker.version}"
      operator  = "semver"
      value     = ">= 19.0.0"
    }
    disconnect {
      lost_after = "6h"
      replace    = false
      reconcile  = "best_score"
    }
    network {
      mode = "bridge"
      port "http" {
        to = 8080
      }
    }
    service {
      name = "service"
      tags = ["kind"]
      port = "http"
      check {
        type     = "http"
        path     = "/"
        interval = "1s"
        timeout  = "2s"
      }
    }
    update {
      min_healthy_time = "1s"
    }
    task "web" {
      driver = "docker"
      config {
        image   = "hashistack-tests/busybox:1"
        command = "httpd"
        args    = ["-f", "-p", "8080", "-h", "/local"]
        ports   = ["http"]
      }
      template {
        destination = "local/index.html"
        data        = "service {{ env \"NOMAD_ALLOC_INDEX\" }}\n"
      }
      resources {
        cpu        = 20
        memory     = 16
        memory_max = 48
      }
    }
  }
}
