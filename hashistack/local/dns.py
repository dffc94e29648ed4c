"""LocalDns: whom the machines' unbound asks for names that are not Consul's."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

DOCKER_RESOLVER = "127.0.0.11"
"""Docker's own resolver, in every container: it asks all of the host's, and follows them as the laptop moves.
https://docs.docker.com/engine/network/#dns-services"""


class LocalDns(pulumi.ComponentResource):
    """The resolvers of a local cluster: those that the specification names (`dns.upstreams`), else Docker's."""

    upstreams: pulumi.Output[list[str]]
    """Addresses that unbound forwards to on every machine."""

    def __init__(self, name: str, named: Sequence[str] = (), opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:LocalDns", name, {}, opts)
        self.upstreams = pulumi.Output.from_input(list(named) or [DOCKER_RESOLVER])
        self.register_outputs({"upstreams": self.upstreams})
