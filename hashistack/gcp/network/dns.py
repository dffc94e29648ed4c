"""GcpDns: whom the machines' unbound asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi

from hashistack.spec import Dns

METADATA_SERVICE: Final = "169.254.169.254"
"""Cloud DNS, at the same address on every machine. https://cloud.google.com/dns/docs/overview"""


@dataclass(frozen=True)
class GcpDnsArgs:
    """dns: the specification's part: upstreams of unbound."""

    dns: Dns | None = None


class GcpDns(pulumi.ComponentResource):
    """Resolvers for the machines."""

    upstreams: pulumi.Output[Sequence[str]]
    """Addresses that unbound forwards to on every machine."""

    def __init__(self, name: str, args: GcpDnsArgs | None = None, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpDns", name, {}, opts)
        dns = (args and args.dns) or Dns()
        self.upstreams = pulumi.Output.from_input(list(dns.upstreams) or [METADATA_SERVICE])
        self.register_outputs({"upstreams": self.upstreams})
