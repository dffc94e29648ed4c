"""AwsDns: whom the machines' unbound asks, and, on request, the rest of the VPC asking the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from hashistack.aws.names import SECURITY_GROUP, description, prefix
from hashistack.aws.network.balancer import Balancer
from hashistack.aws.tags import named
from hashistack.spec.ports import CONSUL_DNS

if TYPE_CHECKING:
    from hashistack.spec import Dns

VPC_RESOLVER = "169.254.169.253"
"""Route 53's resolver, at the same address in every VPC; it takes 1,024 packets a second from one network interface.
https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html"""
_DNS = 53


@dataclass(frozen=True)
class AwsDnsArgs:
    """How names are resolved.

    dns: the specification's part: upstreams of unbound, and the cluster's domain.
    forward: let everything in the VPC resolve the cluster's domain. Needs ``vpc_id``, ``subnet_ids`` (subnets in two
    zones at least) and ``servers_security_group_id`` (of `AwsFirewall`). tags: for every resource.
    """

    dns: Dns | None = None
    forward: bool = False
    vpc_id: pulumi.Input[str] | None = None
    subnet_ids: pulumi.Input[Sequence[str]] | None = None
    servers_security_group_id: pulumi.Input[str] | None = None
    tags: Mapping[str, str] | None = None


class AwsDns(pulumi.ComponentResource):
    """Resolvers for the machines; with ``forward``, a Route 53 Resolver rule that sends `.consul` to the servers.

    A rule knows targets by address only, and servers come and go. So its target is a network load balancer, whose
    addresses stay as long as it does, in front of Consul's own DNS port on the servers.
    """

    upstreams: pulumi.Output[Sequence[str]]
    """Addresses that unbound forwards to on every machine."""
    target_group_arns: pulumi.Output[Sequence[str]]
    """What the servers' Auto Scaling group registers its machines with; empty without ``forward``."""
    resolver_rule_id: pulumi.Output[str] | None
    """The rule, to be associated with other VPCs; None without ``forward``."""

    def __init__(self, name: str, args: AwsDnsArgs | None = None, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:AwsDns", name, {}, opts)
        from hashistack.spec import Dns

        args = args or AwsDnsArgs()
        dns = args.dns or Dns()
        self.upstreams = pulumi.Output.from_input(list(dns.upstreams) or [VPC_RESOLVER])
        self.target_group_arns = pulumi.Output.from_input([])
        self.resolver_rule_id = None
        if args.forward:
            self._forward(name, dns.domain, args)
        self.register_outputs({"upstreams": self.upstreams, "target_group_arns": self.target_group_arns})

    def _forward(self, name: str, domain: str, args: AwsDnsArgs) -> None:
        if args.vpc_id is None or args.subnet_ids is None or args.servers_security_group_id is None:
            raise pulumi.RunError(
                "dns.forward: needs vpc_id, subnet_ids and servers_security_group_id. Give all three, or leave it out."
            )
        child = pulumi.ResourceOptions(parent=self)
        balancer = Balancer(
            f"{name}-servers",
            vpc_id=args.vpc_id,
            subnet_ids=args.subnet_ids,
            servers_security_group_id=args.servers_security_group_id,
            tags=args.tags,
            opts=child,
        )
        balancer.listen(
            "dns",
            port=_DNS,
            target_port=CONSUL_DNS.number,
            protocols=CONSUL_DNS.protocols,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                protocol="TCP", interval=10, healthy_threshold=2, unhealthy_threshold=2
            ),
            reason=f"{domain} names for the VPC",
        )
        resolver = aws.ec2.SecurityGroup(
            f"{name}-resolver",
            name_prefix=prefix(f"{name}-resolver", SECURITY_GROUP),
            description=description(f"{name}: resolver that forwards {domain}"),
            vpc_id=args.vpc_id,
            tags=named(f"{name}-resolver", args.tags),
            opts=child,
        ).id
        for protocol in CONSUL_DNS.protocols:
            balancer.admit(
                f"{protocol}-from-resolver",
                port=_DNS,
                protocol=protocol,
                group=resolver,
                reason=f"{domain} names for the VPC",
            )
            aws.vpc.SecurityGroupEgressRule(
                f"{name}-resolver-{protocol}",
                security_group_id=resolver,
                referenced_security_group_id=balancer.security_group_id,
                ip_protocol=protocol,
                from_port=_DNS,
                to_port=_DNS,
                description=description(f"{domain} names for the VPC"),
                opts=child,
            )
        endpoint = aws.route53.ResolverEndpoint(
            name,
            direction="OUTBOUND",
            ip_addresses=pulumi.Output.from_input(args.subnet_ids).apply(
                lambda ids: [aws.route53.ResolverEndpointIpAddressArgs(subnet_id=subnet) for subnet in ids]
            ),
            security_group_ids=[resolver],
            tags=named(name, args.tags),
            opts=child,
        )
        rule = aws.route53.ResolverRule(
            name,
            domain_name=domain,
            rule_type="FORWARD",
            resolver_endpoint_id=endpoint.id,
            target_ips=self._addresses(balancer.load_balancer).apply(
                lambda addresses: [aws.route53.ResolverRuleTargetIpArgs(ip=address, port=_DNS) for address in addresses]
            ),
            tags=named(name, args.tags),
            opts=child,
        )
        aws.route53.ResolverRuleAssociation(name, resolver_rule_id=rule.id, vpc_id=args.vpc_id, opts=child)
        self.target_group_arns = pulumi.Output.all(*balancer.target_group_arns).apply(list)
        self.resolver_rule_id = rule.id

    def _addresses(self, balancer: aws.lb.LoadBalancer) -> pulumi.Output[list[str]]:
        """The load balancer's addresses, one a subnet. AWS tells them by its network interfaces alone; choosing them
        instead would fail wherever a machine has taken one."""
        invoke = pulumi.InvokeOptions(parent=self)

        def interfaces(arn: str) -> pulumi.Output[Sequence[str]]:
            # An ARN ends in "loadbalancer/net/<name>/<id>"; its interfaces are described as "ELB net/<name>/<id>".
            described = f"ELB {arn.partition(':loadbalancer/')[2]}"
            filters = [aws.ec2.GetNetworkInterfacesFilterArgs(name="description", values=[described])]
            return aws.ec2.get_network_interfaces_output(filters=filters, opts=invoke).ids

        def addresses(ids: Sequence[str]) -> pulumi.Output[list[str]]:
            found = (aws.ec2.get_network_interface_output(id=each, opts=invoke).private_ip for each in ids)
            return pulumi.Output.all(*found).apply(sorted)

        ids: pulumi.Output[Sequence[str]] = balancer.arn.apply(interfaces)
        return ids.apply(addresses)
