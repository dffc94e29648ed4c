"""Clusters on AWS that the tests plan: what differs between users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_aws as aws

from hashistack import AwsCluster, AwsClusterArgs

from .plan import ACCOUNT, REGION, Plan, plan

OWN_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/99999999-8888-7777-6666-555555555555"


def _args(spec: dict[str, Any], **more: Any) -> AwsClusterArgs:
    return AwsClusterArgs(spec={"name": "prod", **spec}, **more)


CLUSTERS: dict[str, AwsClusterArgs] = {
    "minimal": _args({}),
    "spot-arm64": _args(
        {
            "servers": {"arch": "arm64"},
            "clients": [
                {"name": "services", "min": 2, "max": 4, "csi": True},
                {
                    "name": "batch",
                    "arch": "arm64",
                    "min": 1,
                    "max": 40,
                    "spot": True,
                    "on_demand_base": 1,
                    "machine_type": "m7g.large",
                    "machine_types": ["m6g.large", "c7g.xlarge"],
                    "disk_gib": 100,
                },
            ],
        }
    ),
    "own-vpc": _args(
        {},
        vpc_id="vpc-0123456789abcdef0",
        private_subnet_ids=["subnet-a", "subnet-b", "subnet-c"],
        kms_key_arn=OWN_KEY,
        sessions=True,
        tags={"team": "platform"},
    ),
    "private-without-nat": _args(
        {"network": {"nat": "none"}, "seal": {"type": "awskms", "key": OWN_KEY}}, image="ami-0fedcba987654321"
    ),
}
"""Name to arguments."""


def explicit(region: str = REGION) -> pulumi.ResourceOptions:
    """A provider of its own, as under `disable-default-providers`."""
    return pulumi.ResourceOptions(providers=[aws.Provider("second", region=region)])


def program(args: AwsClusterArgs, name: str = "prod", region: str = REGION) -> Callable[[], dict[str, Any]]:
    """A user's program: one cluster under an explicit provider."""

    def run() -> dict[str, Any]:
        made = AwsCluster(name, args, explicit(region))
        return {"connection": made.connection, "bundles": made.bundles, "nomad": made.nomad_address}

    return run


def cluster(spec: dict[str, Any] | None = None, **more: Any) -> Plan:
    """The plan of a cluster with this specification, and other arguments."""
    return plan(program(AwsClusterArgs(spec=spec or {}, **more)))
