"""A network load balancer in front of the servers, with a security group of its own: what API and DNS share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from hashistack.aws.names import LOAD_BALANCER, SECURITY_GROUP, TARGET_GROUP, description, prefix
from hashistack.aws.tags import named


class Balancer:
    """An internal load balancer over subnets, whose group reaches the servers at the ports that it listens at."""

    def __init__(
        self,
        name: str,
        *,
        vpc_id: pulumi.Input[str],
        subnet_ids: pulumi.Input[Sequence[str]],
        servers_security_group_id: pulumi.Input[str],
        protect: bool = False,
        tags: Mapping[str, str] | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        self._name, self._vpc_id, self._tags, self._opts = name, vpc_id, tags, opts
        self._servers = servers_security_group_id
        self.security_group_id = aws.ec2.SecurityGroup(
            name,
            name_prefix=prefix(name, SECURITY_GROUP),
            description=description(f"{name}: load balancer"),
            vpc_id=vpc_id,
            tags=named(name, tags),
            opts=opts,
        ).id
        self.load_balancer = aws.lb.LoadBalancer(
            name,
            name_prefix=prefix(name, LOAD_BALANCER),
            internal=True,
            enable_deletion_protection=protect,
            load_balancer_type="network",
            subnets=subnet_ids,
            security_groups=[self.security_group_id],
            # A zone may have no server at the moment.
            enable_cross_zone_load_balancing=True,
            tags=named(name, tags),
            opts=opts,
        )
        self.target_group_arns: list[pulumi.Output[str]] = []

    def listen(
        self,
        suffix: str,
        *,
        port: int,
        target_port: int,
        protocols: Sequence[str],
        health_check: aws.lb.TargetGroupHealthCheckArgs,
        reason: str,
    ) -> None:
        """Pass on what comes to ``port``, as it is, to ``target_port`` of the servers; protocols: tcp, udp or both."""
        protocol = "_".join(protocols).upper()
        target = aws.lb.TargetGroup(
            f"{self._name}-{suffix}",
            name_prefix=prefix(f"{self._name}-{suffix}", TARGET_GROUP),
            vpc_id=self._vpc_id,
            port=target_port,
            protocol=protocol,
            # With the caller's address a server could not reach itself this way, and answers to a caller outside of the
            # VPC would have to find their own way. UDP always keeps it.
            preserve_client_ip=None if "udp" in protocols else "false",
            # A server that leaves has said so to its peers; 5 minutes, the default, only hold it up.
            deregistration_delay=30,
            health_check=health_check,
            tags=named(f"{self._name}-{suffix}", self._tags),
            opts=self._opts,
        )
        aws.lb.Listener(
            f"{self._name}-{suffix}",
            load_balancer_arn=self.load_balancer.arn,
            port=port,
            protocol=protocol,
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=target.arn)],
            tags=named(f"{self._name}-{suffix}", self._tags),
            opts=self._opts,
        )
        for each in protocols:
            self._rules(f"{suffix}-{each}", each, target_port, reason)
        self.target_group_arns.append(target.arn)

    def admit(
        self,
        suffix: str,
        *,
        port: int,
        protocol: str,
        group: pulumi.Input[str] | None = None,
        cidr: str | None = None,
        reason: str,
    ) -> None:
        """Let the members of a security group, or an address range, in at ``port``."""
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-{suffix}",
            security_group_id=self.security_group_id,
            referenced_security_group_id=group,
            cidr_ipv4=cidr,
            ip_protocol=protocol,
            from_port=port,
            to_port=port,
            description=description(reason),
            opts=self._opts,
        )

    def _rules(self, suffix: str, protocol: str, port: int, reason: str) -> None:
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-{suffix}-to-server",
            security_group_id=self.security_group_id,
            referenced_security_group_id=self._servers,
            ip_protocol=protocol,
            from_port=port,
            to_port=port,
            description=description(reason),
            opts=self._opts,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-{suffix}-at-server",
            security_group_id=self._servers,
            referenced_security_group_id=self.security_group_id,
            ip_protocol=protocol,
            from_port=port,
            to_port=port,
            description=description(reason),
            opts=self._opts,
        )
