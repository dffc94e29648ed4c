# A CSI plugin as public ones are: privileged, with a directory of the machine. `csi: true` in its pool lets it run.
job "csi-plugin" {
  type      = "system"
  node_pool = "storage"
  group "plugin" {
    task "plugin" {
      driver = "docker"
      config {
        image      = "hashistack-tests/csi:1"
        args       = ["${node.unique.name}"]
        privileged = true
        mount {
          type   = "bind"
          source = "/srv"
          target = "/volumes"
        }
      }
      csi_plugin {
        id        = "directories"
        type      = "monolith"
        mount_dir = "/csi"
      }
      resources {
        cpu    = 20
        memory = 96
      }
    }
  }
}
