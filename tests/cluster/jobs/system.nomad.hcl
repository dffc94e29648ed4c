job "system" {
  type = "system"
  group "agent" {
    task "agent" {
      driver = "docker"
      config {
        image   = "hashistack-tests/busybox:1"
        command = "sh"
        args    = ["-c", "echo on $NODE; exec sleep 3600"]
      }
      env {
        NODE = "${node.unique.name}"
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
