job "periodic" {
  type = "batch"
  periodic {
    crons            = ["0 4 * * 0", "0 5 * * 0"]
    prohibit_overlap = true
    time_zone        = "Europe/Berlin"
  }
  group "work" {
    task "work" {
      driver = "exec"
      config {
        command = "/bin/sh"
        args    = ["-c", "[ $NOMAD_JOB_PARENT_ID = periodic ]"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
