"""How an operator's machine comes to a cluster's APIs: by their own addresses, or through a tunnel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import urlsplit

VIA = "HASHISTACK_VIA"
"""The environment variable with the host at which the APIs are reached instead, on their own ports."""


def addresses(declared: Sequence[str]) -> tuple[str, ...]:
    """Where to ask: `declared`, or the same ports of the host in HASHISTACK_VIA.

    Who answers there is proven by its certificate, which names a server of the cluster whatever the address.
    """
    host = os.environ.get(VIA, "").strip()
    if not host:
        return tuple(declared)
    return tuple(dict.fromkeys(f"https://{host}:{urlsplit(address).port}" for address in declared))


def remedy(asked: Sequence[str]) -> str:
    """What to do when nobody answers at these addresses; "" where they are the servers' own."""
    if len(asked) > 1:
        return ""
    where = urlsplit(asked[0])
    if os.environ.get(VIA):
        return f"look whether the tunnel to port {where.port} is open at {where.hostname} ({VIA})"
    return (
        f"{where.hostname} is the cluster's private load balancer: connect to its network (VPN, peering), or open a "
        f"tunnel to its ports here and export {VIA}=127.0.0.1"
    )
