"""GcpDns: whom the machines' unbound asks, and, on request, the rest of the network asking the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
from pulumi_gcp.dns import (
    ManagedZone,
    ManagedZoneForwardingConfigArgs,
    ManagedZoneForwardingConfigTargetNameServerArgs,
    ManagedZonePrivateVisibilityConfigArgs,
    ManagedZonePrivateVisibilityConfigNetworkArgs,
)

from hashistack.spec import Dns

METADATA_SERVICE: Final = "169.254.169.254"
"""Cloud DNS, at the same address on every machine. https://cloud.google.com/dns/docs/overview"""


@dataclass(frozen=True)
class GcpDnsArgs:
    """How names are resolved.

    dns: the specification's part: upstreams of unbound, and the cluster's domain.
    forward: let everything in the network resolve the cluster's domain. Needs ``network_id`` and ``address``, at which
    servers answer (of `GcpApi`). labels: for the zone.
    """

    dns: Dns | None = None
    forward: bool = False
    network_id: pulumi.Input[str] | None = None
    address: pulumi.Input[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class GcpDns(pulumi.ComponentResource):
    """Resolvers for the machines; with ``forward``, a zone of Cloud DNS that sends `.consul` to the servers.

    A zone knows targets by address and asks at port 53 alone: so its target is the load balancer of the servers' APIs,
    at which their unbound answers.
    """

    upstreams: pulumi.Output[Sequence[str]]
    """Addresses that unbound forwards to on every machine."""
    address: pulumi.Output[str]
    """Where Cloud DNS asks; "" without ``forward``."""

    def __init__(self, name: str, args: GcpDnsArgs | None = None, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpDns", name, {}, opts)
        args = args or GcpDnsArgs()
        dns = args.dns or Dns()
        self.upstreams = pulumi.Output.from_input(list(dns.upstreams) or [METADATA_SERVICE])
        self.address = pulumi.Output.from_input("")
        if args.forward:
            if args.network_id is None or args.address is None:
                raise pulumi.RunError("dns.forward: needs network_id and address. Give both, or leave it out.")
            self.address = pulumi.Output.from_input(args.address)
            networks = [ManagedZonePrivateVisibilityConfigNetworkArgs(network_url=args.network_id)]
            # By the network: an address that Cloud DNS takes for public it would ask by the internet.
            target = ManagedZoneForwardingConfigTargetNameServerArgs(
                ipv4_address=args.address, forwarding_path="private"
            )
            ManagedZone(
                name,
                dns_name=f"{dns.domain}.",
                description=f"{dns.domain} names of a hashistack cluster",
                visibility="private",
                private_visibility_config=ManagedZonePrivateVisibilityConfigArgs(networks=networks),
                forwarding_config=ManagedZoneForwardingConfigArgs(target_name_servers=[target]),
                labels=args.labels,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"upstreams": self.upstreams})
