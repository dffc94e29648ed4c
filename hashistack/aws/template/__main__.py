"""A production Nomad, Consul and Vault datacenter on AWS."""

import pulumi

from hashistack import AwsCluster, AwsClusterArgs

config = pulumi.Config()

# Three servers and two pools of clients over three zones, with what the stack's configuration says otherwise.
spec = {
    "name": "${PROJECT}",
    "clients": [
        {"name": "services", "min": 2, "max": 6},
        {"name": "batch", "min": 1, "max": 6, "machine_type": "m6i.large", "machine_types": ["m5.large", "m6a.large"],
         "spot": True, "on_demand_base": 1, "node_pool": "batch"},
    ],
    **(config.get_object("cluster") or {}),
}  # fmt: skip

cluster = AwsCluster(
    "${PROJECT}",
    AwsClusterArgs(
        spec=spec,
        image=config.get("image") or "alpine",
        # Who uses the APIs: networks that are connected to the VPC. Machines of the cluster always may.
        api_source_cidrs=config.get_object("operators") or [],
        sessions=config.get_bool("sessions") or False,
        protect=config.get_bool("protect") is not False,
    ),
)

pulumi.export("connection", cluster.connection)
pulumi.export("nomad", cluster.nomad_address)
pulumi.export("consul", cluster.consul_address)
pulumi.export("vault", cluster.vault_address)
pulumi.export("bundles", cluster.bundles)
