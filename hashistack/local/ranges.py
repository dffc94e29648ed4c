"""The subnets and host ports that clusters on this machine take, one of each a cluster."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network

SUPERNET = IPv4Network("10.213.0.0/16")
"""Where subnets come from when the specification names none: rarely used by home, office or VPN networks."""
PREFIX = 24
CLUSTERS = 256

FIRST_PORT = 24000
PORTS = 24
"""Host ports a cluster has: eight servers (five, and room to surge) of three products. All below 32768, where
Linux's ephemeral ports begin; https://docs.kernel.org/networking/ip-sysctl.html (ip_local_port_range)."""


def subnet(index: int) -> IPv4Network:
    """The subnet of the cluster with this index (0 to 255)."""
    return IPv4Network((int(SUPERNET.network_address) + (index << (32 - PREFIX)), PREFIX))


def port_base(index: int) -> int:
    """The first host port of the cluster with this index (0 to 255)."""
    return FIRST_PORT + PORTS * index


def ports_free(base: int) -> bool:
    """Whether every port of the block can be bound now. Docker has the last word when a machine starts."""
    for port in range(base, base + PORTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
