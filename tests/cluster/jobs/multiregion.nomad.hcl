job "multiregion" {
  multiregion {
    region "global" {
      count = 1
    }
    region "other" {
      count = 1
    }
  }
  group "work" {
    task "work" {
      driver = "docker"
      config {
        image   = "hashistack-tests/busybox:1"
        command = "sleep"
        args    = ["3600"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
