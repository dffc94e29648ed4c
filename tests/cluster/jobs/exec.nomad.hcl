# Programs as the user that they name, and as the one that they get.
job "exec" {
  type = "batch"
  reschedule {
    attempts  = 0
    unlimited = false
  }
  group "work" {
    restart {
      attempts = 0
    }
    task "named" {
      driver = "exec"
      user   = "daemon"
      config {
        command = "sh"
        args    = ["-c", "[ $(id -un) = daemon ]"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
    task "default" {
      driver = "exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "[ $(id -un) = nobody ] && echo $GREETING >local/file && grep -qx hello local/file"]
      }
      env {
        GREETING = "hello"
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
    task "bash" {
      driver = "exec"
      config {
        command = "/bin/bash"
        args    = ["-c", "[[ $NOMAD_TASK_NAME == bash ]]"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
