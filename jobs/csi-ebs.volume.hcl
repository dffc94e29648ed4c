# A volume of the plugin in csi-ebs.nomad.hcl: nomad volume create jobs/csi-ebs.volume.hcl
id           = "db"
name         = "db"
type         = "csi"
plugin_id    = "ebs"
capacity_min = "20GiB"

capability {
  access_mode     = "single-node-writer"
  attachment_mode = "file-system"
}

parameters {
  type      = "gp3"
  encrypted = "true"
}

# A volume stays in its zone: a zone of the pool.
topology_request {
  required {
    topology {
      segments {
        "topology.ebs.csi.aws.com/zone" = "eu-west-1a"
      }
    }
  }
}
