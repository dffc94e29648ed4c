job "action" {
  group "work" {
    update {
      health_check     = "task_states"
      min_healthy_time = "1s"
    }
    task "work" {
      driver = "docker"
      config {
        image   = "hashistack-tests/busybox:1"
        command = "sleep"
        args    = ["3600"]
      }
      action "greet" {
        command = "/bin/sh"
        args    = ["-c", "echo hello from $NOMAD_TASK_NAME"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
