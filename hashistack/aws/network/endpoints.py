"""Ways from a VPC to AWS's services that do not lead through the internet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from hashistack.aws.names import SECURITY_GROUP, description, prefix
from hashistack.aws.tags import named

NEEDED = (
    "autoscaling",  # completing lifecycle actions
    "ec2",  # finding the servers by their tag
    "kms",  # Vault's seal
    "secretsmanager",  # the role's document
)
"""The services that machines without a way to the internet need, beside S3."""

SESSIONS = ("ssm", "ssmmessages")
"""Those of a shell without SSH. The agent uses "ec2messages" no more since 3.3.40.
https://docs.aws.amazon.com/systems-manager/latest/userguide/setup-create-vpc.html"""


def needed(sessions: bool) -> tuple[str, ...]:
    """The services of machines without a way to the internet, and of a shell on them."""
    return (*NEEDED, *SESSIONS) if sessions else NEEDED


class Endpoints:
    """The endpoints of one VPC, as children of the component in ``opts``."""

    def __init__(
        self,
        name: str,
        vpc_id: pulumi.Input[str],
        tags: Mapping[str, str] | None,
        opts: pulumi.ResourceOptions,
        invoke: pulumi.InvokeOptions,
    ) -> None:
        self._name, self._vpc_id, self._tags, self._opts = name, vpc_id, tags, opts
        self._invoke = invoke

    def gateway(self, service: str, route_table_ids: pulumi.Input[Sequence[str]]) -> None:
        """A gateway endpoint (S3's or DynamoDB's) in these route tables."""
        aws.ec2.VpcEndpoint(
            f"{self._name}-{service}",
            vpc_id=self._vpc_id,
            service_name=self._service(service),
            vpc_endpoint_type="Gateway",
            route_table_ids=route_table_ids,
            tags=named(f"{self._name}-{service}", self._tags),
            opts=self._opts,
        )

    def interfaces(self, services: Sequence[str], subnet_ids: pulumi.Input[Sequence[str]]) -> pulumi.Output[str]:
        """An interface endpoint for each service, in subnets of different zones; returns the id of their group.

        The group lets nobody in: `AwsFirewall` adds the machines.
        """
        group = aws.ec2.SecurityGroup(
            f"{self._name}-endpoints",
            name_prefix=prefix(f"{self._name}-endpoints", SECURITY_GROUP),
            description=description(f"{self._name}: endpoints of AWS services"),
            vpc_id=self._vpc_id,
            tags=named(f"{self._name}-endpoints", self._tags),
            opts=self._opts,
        )
        for service in services:
            aws.ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=self._vpc_id,
                service_name=self._service(service),
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=subnet_ids,
                security_group_ids=[group.id],
                tags=named(f"{self._name}-{service}", self._tags),
                opts=self._opts,
            )
        return group.id

    def _service(self, service: str) -> pulumi.Output[str]:
        return pulumi.Output.concat("com.amazonaws.", aws.get_region_output(opts=self._invoke).region, ".", service)
