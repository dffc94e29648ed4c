id        = "csi-data"
name      = "csi-data"
type      = "csi"
plugin_id = "directories"

capability {
  access_mode     = "single-node-writer"
  attachment_mode = "file-system"
}
