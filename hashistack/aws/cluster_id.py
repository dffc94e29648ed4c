"""A stack's cluster: what it is called, and where it is."""

from __future__ import annotations

from hashlib import sha256

import pulumi
import pulumi_aws as aws

from hashistack.aws.access.policies import Scope


def site(cluster: str) -> str:
    """The id of a stack's cluster: its name and four hex digits, the same on each run and known at preview."""
    place = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}/{cluster}"
    return f"{cluster}-{sha256(place.encode()).hexdigest()[:4]}"


def scope(cluster: str, parent: pulumi.Resource) -> Scope:
    """Where the provider of `parent` is: partition, region and account, as it says itself before anything is made."""
    opts = pulumi.InvokeOptions(parent=parent)
    region, partition = aws.get_region(opts=opts).region, aws.get_partition(opts=opts).partition
    return Scope(partition, region, aws.get_caller_identity(opts=opts).account_id, site(cluster))
