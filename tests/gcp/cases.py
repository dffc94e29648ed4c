"""Clusters on Google Cloud that the tests plan: what differs between users. The same four as on AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_gcp as gcp

from hashistack.gcp.args import GcpClusterArgs
from hashistack.gcp.cluster import GcpCluster
from hashistack.gcp.pools.client_pool import GcpPoolOptions
from hashistack.gcp.pools.launch import Disk

from .plan import PROJECT, REGION, Plan, plan

OWN_KEY = f"projects/{PROJECT}/locations/{REGION}/keyRings/own/cryptoKeys/vault"


def _args(spec: dict[str, Any], **more: Any) -> GcpClusterArgs:
    return GcpClusterArgs(spec={"name": "prod", **spec}, **more)


CLUSTERS: dict[str, GcpClusterArgs] = {
    "minimal": _args({}),
    "spot-arm64": _args(
        {
            "servers": {"arch": "arm64"},
            "clients": [
                {"name": "services", "min": 2, "max": 4},
                {
                    "name": "batch",
                    "arch": "arm64",
                    "min": 1,
                    "max": 40,
                    "spot": True,
                    "all_spot": True,
                    "machine_type": "c4a-standard-4",
                    "machine_types": ["c4a-standard-8", "n4a-standard-4"],
                    "disk_gib": 100,
                },
            ],
        }
    ),
    "own-vpc": _args(
        {"clients": [{"name": "workers", "host_volumes": {"data": {"path": "/srv/data"}}}]},
        pools={"workers": GcpPoolOptions(disks=[Disk("data", 500, "data"), Disk("scratch", 10)])},
        network_id=f"projects/{PROJECT}/global/networks/own",
        subnetwork_id=f"projects/{PROJECT}/regions/{REGION}/subnetworks/own",
        kms_key=OWN_KEY,
        iap=True,
        forward_dns=True,
        api_source_cidrs=["10.64.0.0/16"],
        tags={"team": "platform"},
    ),
    "private-without-nat": _args(
        {"network": {"nat": "none"}, "seal": {"type": "gcpckms", "key": OWN_KEY}},
        image=f"projects/{PROJECT}/global/images/alpine-3-22",
    ),
}
"""Name to arguments."""


def program(args: GcpClusterArgs, name: str = "prod", region: str = REGION) -> Callable[[], dict[str, Any]]:
    """A user's program: one cluster under an explicit provider."""

    def run() -> dict[str, Any]:
        provider = gcp.Provider("second", project=PROJECT, region=region)
        made = GcpCluster(name, args, pulumi.ResourceOptions(providers=[provider]))
        return {"connection": made.connection, "bundles": made.bundles, "nomad": made.nomad_address}

    return run


def cluster(spec: dict[str, Any] | None = None, **more: Any) -> Plan:
    """The plan of a cluster with this specification, and other arguments."""
    return plan(program(GcpClusterArgs(spec=spec or {}, **more)))
