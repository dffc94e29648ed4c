# Data in a volume that `nomad volume create host-volume.volume.hcl` has made.
job "host-volume" {
  group "data" {
    volume "data" {
      type            = "host"
      source          = "kinds-data"
      access_mode     = "single-node-writer"
      attachment_mode = "file-system"
    }
    update {
      health_check     = "task_states"
      min_healthy_time = "1s"
    }
    task "container" {
      driver = "docker"
      volume_mount {
        volume      = "data"
        destination = "/data"
      }
      config {
        image   = "hashistack-tests/busybox:1"
        command = "sh"
        args    = ["-c", "echo $NOMAD_ALLOC_ID >>/data/allocations; exec sleep 3600"]
      }
      kill_timeout = "1s"
      resources {
        cpu    = 20
        memory = 16
      }
    }
    task "program" {
      driver = "exec"
      volume_mount {
        volume      = "data"
        destination = "/data"
      }
      config {
        command = "/bin/sh"
        args    = ["-c", "echo $NOMAD_ALLOC_ID >>/data/by-program; exec sleep 3600"]
      }
      kill_timeout = "1s"
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
