variable "source" {
  type = string
}

job "artifacts" {
  type = "batch"
  reschedule {
    attempts  = 0
    unlimited = false
  }
  group "work" {
    restart {
      attempts = 0
    }
    task "work" {
      driver = "docker"
      artifact {
        source      = "http://${var.source}/file"
        destination = "local/plain"
        options {
          checksum = "sha256:f6e379b0639054c51806fd5d67948cbcaebd354b0e91a7683932b043c5c3ba32"
        }
      }
      artifact {
        source      = "http://${var.source}/archive.tar.gz"
        destination = "local/archive"
      }
      artifact {
        source      = "http://${var.source}/file"
        destination = "local/renamed"
        mode        = "file"
      }
      artifact {
        source      = "git::http://${var.source}/repo.git"
        destination = "local/repo"
      }
      config {
        image   = "hashistack-tests/busybox:1"
        command = "sh"
        args = [
          "-c", "cd /local && [ \"$(cat plain/file archive/inside renamed repo/file | xargs)\" = 'fetched archived fetched committed' ]",
        ]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
