"""Where a stack's cluster is."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from hashistack.aws.access.policies import Scope
from hashistack.cloud.cluster_id import site


def scope(cluster: str, parent: pulumi.Resource) -> Scope:
    """Where the provider of `parent` is: partition, region and account, as it says itself before anything is made."""
    opts = pulumi.InvokeOptions(parent=parent)
    region, partition = aws.get_region(opts=opts).region, aws.get_partition(opts=opts).partition
    return Scope(partition, region, aws.get_caller_identity(opts=opts).account_id, site(cluster))
