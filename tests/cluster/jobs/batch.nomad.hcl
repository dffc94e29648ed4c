job "batch" {
  type = "batch"
  reschedule {
    attempts  = 0
    unlimited = false
  }
  group "work" {
    restart {
      attempts = 0
    }
    count = 2
    task "work" {
      driver = "docker"
      config {
        image   = "hashistack-tests/busybox:1"
        command = "test"
        args    = ["${NOMAD_JOB_NAME} on ${node.datacenter}", "=", "batch on dc1"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
