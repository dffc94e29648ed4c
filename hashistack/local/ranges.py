"""The subnets and host ports that clusters on this machine take, one of each a cluster, for as long as it exists."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from hashistack.local import labels

if TYPE_CHECKING:
    import docker

SUPERNET = IPv4Network("10.213.0.0/16")
"""Where subnets come from when the specification names none: rarely used by home, office or VPN networks."""
PREFIX = 24
CLUSTERS = 256

FIRST_PORT = 24000

API_PORTS = {"nomad": 4646, "consul": 8501, "vault": 8200}
"""Where each API listens on a server: `spec/ports.py`, whose import takes longer than most `up`s may."""

CONSUL_DNS = 8600
"""Where Consul answers DNS on a server."""

SLOTS = 7
"""Places for servers: five, and room to surge."""
PORTS = len(API_PORTS) * (SLOTS + 1)
"""Host ports a cluster has: for each product, each server's and the API's own. All below 32768, where Linux's
ephemeral ports begin; https://docs.kernel.org/networking/ip-sysctl.html (ip_local_port_range)."""


def subnet(index: int) -> IPv4Network:
    """The subnet of the cluster with this index (0 to 255)."""
    return IPv4Network((int(SUPERNET.network_address) + (index << (32 - PREFIX)), PREFIX))


def port_base(index: int) -> int:
    """The first host port of the cluster with this index (0 to 255)."""
    return FIRST_PORT + PORTS * index


def taken(api: docker.APIClient, wanted: Iterable[int], site: str = "") -> Iterator[tuple[int, str]]:
    """Those of the wanted ports of loopback that ``site`` can't publish, each with who has it."""
    labelled = api.containers(all=True, filters={"label": [labels.PUBLISHED]})
    holders = {
        int(port): str(found["Labels"][labels.SITE])
        for found in labelled
        for port in found["Labels"][labels.PUBLISHED].split(",")
    }
    last = dns_port(port_base(CLUSTERS - 1))
    for port in wanted:
        if port in holders:
            if holders[port] != site:
                yield port, f"the cluster {holders[port]}"
        elif FIRST_PORT <= port <= last:
            yield port, f"hashistack, for the APIs of clusters ({FIRST_PORT} to {last})"
        elif not _free(port, socket.SOCK_STREAM):
            yield port, "another program"


@dataclass(frozen=True)
class Reserved:
    """What the clusters of this Docker host hold, whether they run or are stopped: blocks of ports, and addresses."""

    port_bases: frozenset[int]
    addresses: frozenset[IPv4Address]

    def has(self, cidr: IPv4Network) -> bool:
        """Whether a machine has an address in `cidr`. Its network may be gone: Docker prunes unused ones."""
        return any(address in cidr for address in self.addresses)


def reserved(api: docker.APIClient) -> Reserved:
    """By the labels of networks and machines. Nobody listens on the ports of a cluster that is stopped."""
    marked = {"label": [labels.SITE]}
    networks = [found["Labels"] for found in api.networks(filters=marked)]
    machines = [found["Labels"] for found in api.containers(all=True, filters=marked)]
    return Reserved(
        frozenset(int(said[labels.PORT_BASE]) for said in (*networks, *machines) if labels.PORT_BASE in said),
        frozenset(IPv4Address(said[labels.ADDRESS]) for said in machines if labels.ADDRESS in said),
    )


def ports_free(base: int) -> bool:
    """Whether every port of the block can be bound now. Docker has the last word when a machine starts."""
    dns = dns_port(base)
    wanted = [*((port, socket.SOCK_STREAM) for port in (*range(base, base + PORTS), dns)), (dns, socket.SOCK_DGRAM)]
    return all(_free(port, kind) for port, kind in wanted)


def _free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(type=kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return True  # below 1024: Docker may, where this user may not
        except OSError:
            return False
    return True


def ports(base: int, slot: int) -> dict[str, int]:
    """The host ports of the server in ``slot`` (0 to 6)."""
    return {product: base + index * (SLOTS + 1) + slot for index, product in enumerate(API_PORTS)}


def api_ports(base: int) -> dict[str, int]:
    """The host ports of the APIs, whichever servers there are: the eighth of each product."""
    return ports(base, SLOTS)


def dns_port(base: int) -> int:
    """The host port where the cluster's names are answered: behind the blocks of all clusters, one for each."""
    return FIRST_PORT + PORTS * CLUSTERS + (base - FIRST_PORT) // PORTS


def publisher_address(cidr: str) -> str:
    """The address in the network of ``cidr`` of what leads to pools' ports: the last but two, which no machine gets."""
    return str(IPv4Network(cidr)[-4])


def resolver_address(cidr: str) -> str:
    """The resolver's address in the network of ``cidr``: the last but one, which no machine gets."""
    return str(IPv4Network(cidr)[-3])


def api_address(cidr: str) -> str:
    """The proxy's address in the network of ``cidr``: its last one, which no machine gets."""
    return str(IPv4Network(cidr)[-2])
