"""Every port of a cluster: why it is open, and for whom. Everything else is closed.

Data for every provider's firewall: `allowed_to("server")` has the ways in to a server from other machines and
from operators.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from hashistack.spec.problems import Problem

Role = Literal["server", "client"]
Source = Literal["server", "client", "operator"]
Protocol = Literal["tcp", "udp"]

_ALL: frozenset[Source] = frozenset({"server", "client"})
_SERVERS: frozenset[Source] = frozenset({"server"})
_NOBODY: frozenset[Source] = frozenset()
_BOTH: tuple[Protocol, ...] = ("tcp", "udp")


@dataclass(frozen=True)
class Port:
    """One listening port. `sources` is who may reach it from another machine; empty: this machine alone."""

    name: str
    number: int
    protocols: tuple[Protocol, ...]
    on: frozenset[Role]
    sources: frozenset[Source]
    reason: str


_SERVER: frozenset[Role] = frozenset({"server"})
_EVERY: frozenset[Role] = frozenset({"server", "client"})

NOMAD_HTTP = Port("nomad_http", 4646, ("tcp",), _SERVER, _ALL | {"operator"}, "Nomad's API and its signing keys")
NOMAD_CLIENT_HTTP = Port(
    "nomad_client_http",
    4646,
    ("tcp",),
    frozenset({"client"}),
    _SERVERS | {"operator"},
    "logs and exec of allocations",
)
NOMAD_RPC = Port("nomad_rpc", 4647, ("tcp",), _SERVER, _ALL, "Nomad servers among themselves, clients to servers")
NOMAD_SERF = Port("nomad_serf", 4648, _BOTH, _SERVER, _SERVERS, "gossip of Nomad servers; clients take no part")
CONSUL_RPC = Port("consul_rpc", 8300, ("tcp",), _SERVER, _ALL, "Consul agents to Consul servers")
CONSUL_SERF = Port("consul_serf", 8301, _BOTH, _EVERY, _ALL, "gossip of all Consul agents")
CONSUL_HTTP = Port("consul_http", 8500, ("tcp",), _EVERY, _NOBODY, "Consul's API without TLS, on loopback alone")
CONSUL_HTTPS = Port("consul_https", 8501, ("tcp",), _SERVER, _ALL | {"operator"}, "Consul's API")
CONSUL_GRPC = Port(
    "consul_grpc",
    8502,
    ("tcp",),
    frozenset({"client"}),
    _NOBODY,
    "Consul's xDS API for the sidecars of the service mesh, on loopback alone",
)
CONSUL_GRPC_TLS = Port("consul_grpc_tls", 8503, ("tcp",), _SERVER, _ALL, "Consul's streaming API")
CONSUL_DNS = Port("consul_dns", 8600, _BOTH, _SERVER, _ALL, "Consul's DNS, for the unbound of every machine")
CONSUL_CLIENT_DNS = Port(
    "consul_client_dns",
    8600,
    _BOTH,
    frozenset({"client"}),
    _NOBODY,
    "Consul's DNS, for this machine's unbound",
)
VAULT_API = Port("vault_api", 8200, ("tcp",), _SERVER, _ALL | {"operator"}, "Vault's API")
VAULT_CLUSTER = Port("vault_cluster", 8201, ("tcp",), _SERVER, _SERVERS, "Vault's replication and forwarding")
DNS = Port("dns", 53, _BOTH, _EVERY, _NOBODY, "unbound, for this machine and its task bridges")

PORTS = (
    NOMAD_HTTP,
    NOMAD_CLIENT_HTTP,
    NOMAD_RPC,
    NOMAD_SERF,
    CONSUL_RPC,
    CONSUL_SERF,
    CONSUL_HTTP,
    CONSUL_HTTPS,
    CONSUL_GRPC,
    CONSUL_GRPC_TLS,
    CONSUL_DNS,
    CONSUL_CLIENT_DNS,
    VAULT_API,
    VAULT_CLUSTER,
    DNS,
)
"""All fixed ports. Tasks have Nomad's dynamic ports beside them, from client to client as jobs need."""


def allowed_to(role: Role) -> Iterator[Port]:
    """The ports that other machines or operators may reach on a machine of this role."""
    return (port for port in PORTS if role in port.on and port.sources)


def problems(ports: Iterable[Port]) -> Iterator[Problem]:
    """What is wrong with a set of ports: one taken twice on a machine, or privileged (but for DNS)."""
    taken: dict[int, Port] = {}
    for port in ports:
        other = taken.setdefault(port.number, port)
        if other is not port and other.on & port.on:
            yield Problem(port.name, f"port {port.number} is used twice, by {other.name} too", "Choose another port.")
        if port.number < 1024 and port.name != "dns":
            yield Problem(
                port.name,
                f"port {port.number} needs CAP_NET_BIND_SERVICE, which agents do not have",
                "Choose one from 1024 on.",
            )
