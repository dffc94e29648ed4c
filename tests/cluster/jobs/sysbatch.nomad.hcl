job "sysbatch" {
  type = "sysbatch"
  group "once" {
    task "once" {
      driver = "exec"
      config {
        command = "/bin/echo"
        args    = ["on ${node.unique.name}"]
      }
      resources {
        cpu    = 20
        memory = 16
      }
    }
  }
}
