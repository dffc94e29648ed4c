"""AwsApi: one address for the APIs of the servers, whichever servers there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from hashistack.aws.network.balancer import Balancer
from hashistack.cloud.firewall_rules import operator_ports
from hashistack.spec.ports import CONSUL_HTTPS, NOMAD_HTTP, VAULT_API

_HEALTHY: Mapping[str, str] = {
    # Neither needs a certificate or a token. Vault's active server alone answers 200: a standby forwards, but what it
    # forwards of a snapshot is not whole. Where none is healthy, the load balancer asks all.
    "nomad_http": "/v1/agent/health?type=server",
    "vault_api": "/v1/sys/health",
}
"""What says that a server can answer. Consul's asks every caller for a certificate, so there an open port must do."""

_RULES = 60
"""Inbound rules that a security group may have by default; here each origin has one for each port.
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups"""

_PRODUCTS = {"nomad": NOMAD_HTTP, "consul": CONSUL_HTTPS, "vault": VAULT_API}


@dataclass(frozen=True)
class AwsApiArgs:
    """What the address is made of.

    vpc_id, subnet_ids: where the load balancer is; subnets of machines, one a zone.
    servers_security_group_id: the group of the servers (`AwsFirewall`).
    sources: who may use it: a word for each to its security group, of machines, bastions or products.
    source_cidrs: the same for networks that are connected and have no group here: a VPN, peers.
    protect: AWS deletes the load balancer only after that was turned off in an `up`; no.
    tags: for every resource.
    """

    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[str]]
    servers_security_group_id: pulumi.Input[str]
    sources: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    source_cidrs: Sequence[str] = ()
    protect: bool = False
    tags: Mapping[str, str] | None = None


class AwsApi(pulumi.ComponentResource):
    """An internal network load balancer for Nomad (4646), Consul (8501) and Vault (8200); TLS is passed through.

    Servers see its own addresses, which are the VPC's, not the callers'.
    """

    dns_name: pulumi.Output[str]
    addresses: pulumi.Output[dict[str, str]]
    """Product to the address of its API."""
    target_group_arns: pulumi.Output[Sequence[str]]
    """What the servers' Auto Scaling group registers its machines with."""
    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: AwsApiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:AwsApi", name, {}, opts)
        ports = sum(len(port.protocols) for port in operator_ports())
        room = _RULES // ports - len(args.sources)
        if len(args.source_cidrs) > room:
            raise pulumi.RunError(
                f"api.source_cidrs: {len(args.source_cidrs)} networks, and beside {len(args.sources)} security groups"
                f" there is room for {room}. Name larger networks, or security groups in `sources`."
            )
        for cidr in args.source_cidrs:
            if IPv4Network(cidr).prefixlen == 0:
                raise pulumi.RunError(f"api.source_cidrs: {cidr} is everybody. Name the networks of your operators.")
        balancer = Balancer(
            name,
            vpc_id=args.vpc_id,
            subnet_ids=args.subnet_ids,
            servers_security_group_id=args.servers_security_group_id,
            protect=args.protect,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        for port in operator_ports():
            path = _HEALTHY.get(port.name)
            balancer.listen(
                port.name.replace("_", "-"),
                port=port.number,
                target_port=port.number,
                protocols=port.protocols,
                health_check=aws.lb.TargetGroupHealthCheckArgs(
                    protocol="HTTPS" if path else "TCP",
                    path=path,
                    matcher="200" if path else None,
                    interval=5,  # the shortest: as long twice, and Vault's new active one is found
                    healthy_threshold=2,
                    unhealthy_threshold=2,
                ),
                reason=port.reason,
            )
            origins: list[tuple[str, pulumi.Input[str] | None, str | None]] = [
                (word, group, None) for word, group in args.sources.items()
            ]
            origins += [(cidr.replace("/", "-"), None, cidr) for cidr in args.source_cidrs]
            for word, group, cidr_or_none in origins:
                balancer.admit(
                    f"{port.name.replace('_', '-')}-from-{word}",
                    port=port.number,
                    protocol="tcp",
                    group=group,
                    cidr=cidr_or_none,
                    reason=f"{port.reason}, from {word}",
                )
        self.dns_name = balancer.load_balancer.dns_name
        self.addresses = self.dns_name.apply(
            lambda host: {product: f"https://{host}:{port.number}" for product, port in _PRODUCTS.items()}
        )
        self.target_group_arns = pulumi.Output.all(*balancer.target_group_arns).apply(list)
        self.security_group_id = balancer.security_group_id
        self.register_outputs({"dns_name": self.dns_name, "target_group_arns": self.target_group_arns})
