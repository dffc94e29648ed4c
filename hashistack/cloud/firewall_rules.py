"""The ways into machines, from the table of ports. Pure: the firewall and the load balancer only declare them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hashistack.spec.ports import Port, Role, Source, allowed_to

ROLES: tuple[Role, ...] = ("server", "client")


@dataclass(frozen=True)
class Rule:
    """One way in: to machines of the role ``to``, for members of the group ``source``."""

    to: Role
    source: Source
    protocol: str
    first: int
    last: int
    name: str
    reason: str


def machine_rules(min_dynamic_port: int, max_dynamic_port: int) -> tuple[Rule, ...]:
    """What machines may reach on machines: every row of the table, and tasks' dynamic ports from client to client."""
    dynamic = (
        Rule("client", "client", protocol, min_dynamic_port, max_dynamic_port, "dynamic", "ports of tasks")
        for protocol in ("tcp", "udp")
    )
    fixed = (
        Rule(role, source, protocol, port.number, port.number, port.name.replace("_", "-"), port.reason)
        for role in ROLES
        for port in allowed_to(role)
        for source in sorted(port.sources - {"operator"}, reverse=True)
        for protocol in port.protocols
    )
    return (*fixed, *dynamic)


def operator_ports() -> Iterator[Port]:
    """The APIs of the servers that operators use: what the load balancer passes on."""
    return (port for port in allowed_to("server") if "operator" in port.sources)
