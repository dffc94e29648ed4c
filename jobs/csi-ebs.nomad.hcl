# Volumes of AWS EBS by CSI: the plugin of kubernetes-sigs/aws-ebs-csi-driver, controller and node in one on each machine of a pool
# with `csi: true`, whose role is allowed what the plugin does.
#
#   nomad job run -var cluster=shop-1a2b -var node_pool=default jobs/csi-ebs.nomad.hcl

variable "cluster" {
  type        = string
  description = "The cluster's id, as `hashistack status` prints it: the plugin may touch volumes with this tag alone."
}

variable "node_pool" {
  type        = string
  default     = "default"
  description = "The node pool of the machines that get volumes."
}

variable "pool" {
  type        = string
  default     = "workers"
  description = "The pool with `csi: true`, by its name in the specification."
}

variable "image" {
  type    = string
  default = "public.ecr.aws/ebs-csi-driver/aws-ebs-csi-driver:v1.45.0"
}

job "csi-ebs" {
  type      = "system"
  node_pool = var.node_pool

  constraint {
    attribute = "${meta.pool}"
    value     = var.pool
  }

  group "plugin" {
    task "plugin" {
      driver = "docker"

      config {
        image      = var.image
        privileged = true

        # The instance's role is reached from the host's network alone.
        network_mode = "host"

        args = [
          "all",
          "--endpoint=${CSI_ENDPOINT}",
          "--extra-tags=hashistack:cluster=${var.cluster}",
          "--logtostderr",
        ]
      }

      csi_plugin {
        id        = "ebs"
        type      = "monolith"
        mount_dir = "/csi"
      }

      resources {
        cpu    = 100
        memory = 128
      }
    }
  }
}
