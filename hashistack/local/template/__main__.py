"""A secured Nomad, Consul and Vault datacenter in containers on this machine."""

import pulumi

from hashistack import LocalCluster, LocalClusterArgs

config = pulumi.Config()

# The reference cluster, three servers and two clients, with what the stack's configuration says otherwise.
spec = {"name": "${PROJECT}", **(config.get_object("cluster") or {})}

cluster = LocalCluster(
    "${PROJECT}",
    LocalClusterArgs(spec=spec, keep_on_failure=config.get_bool("keepOnFailure") or False),
)

pulumi.export("connection", cluster.connection)
pulumi.export("nomad", cluster.nomad_address)
pulumi.export("consul", cluster.consul_address)
pulumi.export("vault", cluster.vault_address)
