"""What an account may have of what AWS counts, and has already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from hashistack.aws.ops import session
from hashistack.aws.pools.capacity import Needs

_STANDARD = ("a", "c", "d", "h", "i", "m", "r", "t", "z")
"""Families that share one quota of vCPUs. https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html"""


@dataclass(frozen=True)
class Counted:
    """One quota: what it counts, and its service and code in Service Quotas."""

    what: str
    service: str
    code: str

    def request(self, region: str, value: int) -> str:
        """The command that asks AWS for so much."""
        return (
            f"aws service-quotas request-service-quota-increase --region {region} --service-code {self.service} "
            f"--quota-code {self.code} --desired-value {value}"
        )


ON_DEMAND = Counted("vCPUs on demand", "ec2", "L-1216C47A")
SPOT = Counted("vCPUs on spot", "ec2", "L-34B43A08")
VPCS = Counted("VPCs", "vpc", "L-F678F1CE")
ADDRESSES = Counted("Elastic IPs (one a NAT gateway)", "ec2", "L-0263D0A3")
BALANCERS = Counted("network load balancers", "elasticloadbalancing", "L-69A177A2")

COUNTED = (ON_DEMAND, SPOT, VPCS, ADDRESSES, BALANCERS)


def standard(type_: str) -> bool:
    """Whether a machine type counts towards the quotas of standard types; the others have quotas of their own."""
    family = type_.partition(".")[0]
    return family[:1] in _STANDARD and family[1:2].isdigit()


def wanted(needs: Needs, each: Mapping[str, int], *, most: bool) -> tuple[int, ...]:
    """How much a cluster needs of each of COUNTED; `each`: machine type to its vCPUs."""
    on_demand, spot = needs.vcpus({type_: cpus for type_, cpus in each.items() if standard(type_)}, most=most)
    return on_demand, spot, needs.vpcs, needs.gateways, needs.balancers


def limit(aws: boto3.Session, region: str, counted: Counted) -> float:
    """What the account may have: what was granted to it, else AWS's default."""
    client = aws.client("service-quotas", region_name=region, config=session.CONFIG)
    asked = {"ServiceCode": counted.service, "QuotaCode": counted.code}
    try:
        return client.get_service_quota(**asked)["Quota"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchResourceException":
            raise
    return client.get_aws_default_service_quota(**asked)["Quota"]["Value"]


def used(aws: boto3.Session, region: str, counted: Counted) -> int:
    """What the account has of it now."""
    if counted is BALANCERS:
        balancing = aws.client("elbv2", region_name=region, config=session.CONFIG)
        pages = balancing.get_paginator("describe_load_balancers").paginate()
        return sum(one.get("Type") == "network" for page in pages for one in page["LoadBalancers"])
    ec2 = aws.client("ec2", region_name=region, config=session.CONFIG)
    if counted is ADDRESSES:
        return len(ec2.describe_addresses()["Addresses"])
    if counted is VPCS:
        return sum(len(page["Vpcs"]) for page in ec2.get_paginator("describe_vpcs").paginate())
    running: Any = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    return sum(
        one["CpuOptions"]["CoreCount"] * one["CpuOptions"].get("ThreadsPerCore", 1)
        for page in ec2.get_paginator("describe_instances").paginate(Filters=running)
        for reservation in page["Reservations"]
        for one in reservation["Instances"]
        if standard(one["InstanceType"])
        and "CpuOptions" in one
        and (one.get("InstanceLifecycle") == "spot") == (counted is SPOT)
    )
