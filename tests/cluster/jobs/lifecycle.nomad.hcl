# Tasks before, beside and after the main one; each writes its name into the directory that they share.
job "lifecycle" {
  type = "batch"
  reschedule {
    attempts  = 0
    unlimited = false
  }
  group "work" {
    restart {
      attempts = 0
    }
    task "before" {
      driver = "exec"
      lifecycle {
        hook = "prestart"
      }
      config {
        command = "/bin/sh"
        args    = ["-c", "echo prestart >>$NOMAD_ALLOC_DIR/data/order"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
    task "beside" {
      driver = "docker"
      lifecycle {
        hook    = "prestart"
        sidecar = true
      }
      config {
        image   = "hashistack-tests/busybox:1"
        command = "sh"
        args    = ["-c", "touch /alloc/data/sidecar; exec sleep 3600"]
      }
      kill_timeout = "1s"
      resources {
        cpu    = 20
        memory = 16
      }
    }
    task "main" {
      driver = "docker"
      config {
        image   = "hashistack-tests/busybox:1"
        command = "sh"
        args = [
          "-c", "until [ -e /alloc/data/sidecar ] && grep -q poststart /alloc/data/order; do sleep 0.1; done; echo main >>/alloc/data/order",
        ]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
    task "beginning" {
      driver = "docker"
      lifecycle {
        hook = "poststart"
      }
      config {
        image   = "hashistack-tests/busybox:1"
        command = "sh"
        args    = ["-c", "echo poststart >>/alloc/data/order"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
    task "after" {
      driver = "exec"
      lifecycle {
        hook = "poststop"
      }
      config {
        command = "/bin/sh"
        args    = ["-c", "[ \"$(xargs <$NOMAD_ALLOC_DIR/data/order)\" = 'prestart poststart main' ]"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
