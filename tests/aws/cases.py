"""Clusters on AWS that the tests plan: what differs between users."""

from __future__ import annotations

from typing import Any

from hashistack import AwsClusterArgs

OWN_KEY = "arn:aws:kms:eu-west-1:123456789012:key/99999999-8888-7777-6666-555555555555"


def _args(spec: dict[str, Any], **more: Any) -> AwsClusterArgs:
    return AwsClusterArgs(spec={"name": "prod", **spec}, **more)


CASES: dict[str, AwsClusterArgs] = {
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
    "private": _args(
        {"network": {"nat": "none"}, "seal": {"type": "awskms", "key": OWN_KEY}}, image="ami-0fedcba987654321"
    ),
}
"""Name to arguments. Each has a golden list of its resources."""
