"""AwsFirewall: who may reach whom. Security groups that name each other, never an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from hashistack.aws.names import SECURITY_GROUP, description, prefix
from hashistack.aws.tags import named
from hashistack.cloud.firewall_rules import machine_rules


@dataclass(frozen=True)
class AwsFirewallArgs:
    """What a firewall is made of.

    vpc_id: the machines' VPC. endpoints_security_group_id: the group of the VPC's interface endpoints
    (`AwsNetwork.endpoints_security_group_id`), which machines then reach. min_dynamic_port, max_dynamic_port: the ports
    that Nomad gives to tasks, open from client to client. tags: for every resource.
    """

    vpc_id: pulumi.Input[str]
    endpoints_security_group_id: pulumi.Input[str] | None = None
    min_dynamic_port: int = 20000
    max_dynamic_port: int = 32000
    tags: Mapping[str, str] | None = None


class AwsFirewall(pulumi.ComponentResource):
    """One security group for servers and one for clients; in: the table of ports (`spec/ports.py`) and nothing else.

    Out, machines reach everything: jobs have needs of their own, and so has Vault, which talks to the databases that it
    makes credentials for.
    """

    servers_security_group_id: pulumi.Output[str]
    clients_security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: AwsFirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:AwsFirewall", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        groups = {
            role: aws.ec2.SecurityGroup(
                f"{name}-{role}",
                name_prefix=prefix(f"{name}-{role}", SECURITY_GROUP),
                description=description(f"{name}: {role}s"),
                vpc_id=args.vpc_id,
                tags=named(f"{name}-{role}", args.tags),
                opts=child,
            ).id
            for role in ("server", "client")
        }
        for rule in machine_rules(args.min_dynamic_port, args.max_dynamic_port):
            aws.vpc.SecurityGroupIngressRule(
                f"{name}-{rule.to}-{rule.name}-{rule.protocol}-from-{rule.source}",
                security_group_id=groups[rule.to],
                referenced_security_group_id=groups[rule.source],
                ip_protocol=rule.protocol,
                from_port=rule.first,
                to_port=rule.last,
                description=description(rule.reason),
                opts=child,
            )
        for role, group in groups.items():
            aws.vpc.SecurityGroupEgressRule(
                f"{name}-{role}-out",
                security_group_id=group,
                cidr_ipv4="0.0.0.0/0",
                ip_protocol="-1",
                description="everything: jobs, and Vault, talk to what they need",
                opts=child,
            )
            if args.endpoints_security_group_id is not None:
                aws.vpc.SecurityGroupIngressRule(
                    f"{name}-endpoints-from-{role}",
                    security_group_id=args.endpoints_security_group_id,
                    referenced_security_group_id=group,
                    ip_protocol="tcp",
                    from_port=443,
                    to_port=443,
                    description="the APIs of AWS services",
                    opts=child,
                )
        self.servers_security_group_id, self.clients_security_group_id = groups["server"], groups["client"]
        self.register_outputs(
            {
                "servers_security_group_id": self.servers_security_group_id,
                "clients_security_group_id": self.clients_security_group_id,
            }
        )
