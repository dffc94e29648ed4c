"""A production Nomad, Consul and Vault datacenter, on AWS or on Google Cloud (`pulumi config set provider gcp`)."""

from typing import Any

import pulumi

import hashistack  # loads the SDK of the one cloud whose names are used

config = pulumi.Config()
provider = config.get("provider") or "aws"
if provider not in ("aws", "gcp"):
    raise pulumi.RunError(f"provider: aws or gcp, not {provider}. Run `pulumi config set provider aws`.")

# Three servers and two pools of clients over three zones, with what the stack's configuration says otherwise.
on_aws = {"machine_type": "m6i.large", "machine_types": ["m5.large", "m6a.large"], "on_demand_base": 1}
batch = {"all_spot": True} if provider == "gcp" else on_aws
spec = {
    "name": "${PROJECT}",
    "clients": [
        {"name": "services", "min": 2, "max": 6},
        {"name": "batch", "min": 1, "max": 6, "spot": True, "node_pool": "batch", **batch},
    ],
    **(config.get_object("cluster") or {}),
}
common: dict[str, Any] = {
    "spec": spec,
    "image": config.get("image") or ("debian" if provider == "gcp" else "alpine"),
    # Who uses the APIs: networks that are connected to the cluster's. Machines of the cluster always may.
    "api_source_cidrs": config.get_object("operators") or [],
    "protect": config.get_bool("protect") is not False,
}
sessions = config.get_bool("sessions") or False
if provider == "gcp":
    cluster: Any = hashistack.GcpCluster("${PROJECT}", hashistack.GcpClusterArgs(**common, iap=sessions))
else:
    cluster = hashistack.AwsCluster("${PROJECT}", hashistack.AwsClusterArgs(**common, sessions=sessions))

for name in ("nomad_address", "consul_address", "vault_address", "connection", "bundles"):
    pulumi.export(name.removesuffix("_address"), getattr(cluster, name))
