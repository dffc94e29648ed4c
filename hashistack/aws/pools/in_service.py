"""AwsInService: a pool is made only when its machines are in service."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from hashistack.aws.provider import access
from hashistack.provider.resource import HashistackResource


class AwsInService(HashistackResource):
    """Waits until the group has as many machines in service as it wants: when it is new, and when its sizes change."""

    resource_type = "hashistack:index:AwsInService"

    def __init__(self, name: str, group: aws.autoscaling.Group, parent: pulumi.Resource | None) -> None:
        inputs = {
            "group": group.name,
            "region": group.region,
            "access": access(parent),
            "sizes": [group.min_size, group.max_size],
        }
        super().__init__(name, inputs, pulumi.ResourceOptions(parent=parent, depends_on=[group]))
