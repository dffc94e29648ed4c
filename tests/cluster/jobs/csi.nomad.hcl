# Data in a volume that `nomad volume create csi.volume.hcl` has made.
job "csi" {
  node_pool = "storage"
  group "data" {
    volume "data" {
      type            = "csi"
      source          = "csi-data"
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
        image      = "hashistack/pause:1"
        entrypoint = ["busybox"]
        args       = ["sh", "-c", "echo $NOMAD_ALLOC_ID >>/data/allocations; exec busybox sleep 3600"]
      }
      kill_timeout = "1s"
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
