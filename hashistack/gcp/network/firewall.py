"""GcpFirewall: who may reach whom. Rules that name the machines' service accounts, never an address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi
from pulumi_gcp import compute

from hashistack.cloud.firewall_rules import ROLES, machine_rules, operator_ports
from hashistack.gcp.pools.platform import CLOUD_DNS
from hashistack.spec.ports import DNS

PROBES: Final = ("35.191.0.0/16", "130.211.0.0/22")
"""Where Google's health checks come from. https://cloud.google.com/load-balancing/docs/health-checks#fw-rule"""
IAP: Final = "35.235.240.0/20"
"""Where Identity-Aware Proxy's tunnels come from. https://cloud.google.com/iap/docs/using-tcp-forwarding"""


@dataclass(frozen=True)
class GcpFirewallArgs:
    """What a firewall is made of.

    network_id: the machines' network. accounts: role ("server", "client") to the emails of its machines' service
    accounts. min_dynamic_port, max_dynamic_port: the ports that Nomad gives to tasks, open from client to client.
    iap: operators reach machines by SSH, and the servers' APIs, through Identity-Aware Proxy; no. sources: who else may
    use the APIs: a word for each to its service account. source_cidrs: the same for networks.
    dns: Cloud DNS asks the servers for names; no.
    """

    network_id: pulumi.Input[str]
    accounts: Mapping[str, list[pulumi.Input[str]]]
    min_dynamic_port: int = 20000
    max_dynamic_port: int = 32000
    iap: bool = False
    sources: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    source_cidrs: tuple[str, ...] = ()
    dns: bool = False


class GcpFirewall(pulumi.ComponentResource):
    """In: the table of ports (`spec/ports.py`), Google's health checks of the APIs, and nothing else.

    Out, machines reach everything: jobs have needs of their own, and so has Vault, which talks to the databases that it
    makes credentials for.
    """

    def __init__(self, name: str, args: GcpFirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpFirewall", name, {}, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        rules = machine_rules(args.min_dynamic_port, args.max_dynamic_port)
        for to in ROLES:
            for source in ROLES:
                ports: dict[str, list[str]] = defaultdict(list)
                for rule in rules:
                    if (rule.to, rule.source) == (to, source):
                        ports[rule.protocol].append(
                            str(rule.first) if rule.first == rule.last else f"{rule.first}-{rule.last}"
                        )
                self._allow(f"{to}-from-{source}", to, ports, accounts=args.accounts[source])
        apis = {"tcp": [str(port.number) for port in operator_ports()]}
        self._allow("server-from-probes", "server", apis, ranges=PROBES)
        if args.iap:
            self._allow("server-from-iap", "server", {"tcp": ["22", *apis["tcp"]]}, ranges=(IAP,))
            self._allow("client-from-iap", "client", {"tcp": ["22"]}, ranges=(IAP,))
        for word, account in args.sources.items():
            self._allow(f"apis-from-{word}", "server", apis, accounts=[account])
        if args.source_cidrs:
            self._allow("apis-from-networks", "server", apis, ranges=args.source_cidrs)
        if args.dns:
            ports = {protocol: [str(DNS.number)] for protocol in DNS.protocols}
            self._allow("server-from-cloud-dns", "server", ports, ranges=(CLOUD_DNS, *PROBES))
        self.register_outputs({})

    def _allow(
        self,
        suffix: str,
        to: str,
        ports: Mapping[str, list[str]],
        *,
        accounts: list[pulumi.Input[str]] | None = None,
        ranges: tuple[str, ...] = (),
    ) -> None:
        compute.Firewall(
            f"{self._name}-{suffix}",
            network=self._args.network_id,
            direction="INGRESS",
            source_service_accounts=accounts,
            source_ranges=list(ranges) or None,
            target_service_accounts=self._args.accounts[to],
            allows=[compute.FirewallAllowArgs(protocol=protocol, ports=each) for protocol, each in ports.items()],
            opts=self._child,
        )
