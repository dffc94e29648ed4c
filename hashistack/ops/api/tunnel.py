"""How an operator's machine comes to a cluster's APIs: by their own addresses, or through a tunnel.

`hashistack tunnel` says in a file of the cluster's private directory where its ends are, and holds the file's lock as
long as it lives. So the other commands of this user find it, and take nothing from one that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from hashistack.errors import HashistackError
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.runtime_directory import directory, kept

VIA = "HASHISTACK_VIA"
"""The environment variable with the host at which the APIs are reached instead, on their own ports."""

PRODUCTS = ("nomad", "consul", "vault")
_FILE = "tunnel.json"
_TRIES, _PAUSE = 10, 0.05
"""For the lock: who looks whether it is held takes it for a moment."""


class TunnelOpen(HashistackError):
    """Another process has a tunnel to the cluster open."""


def addresses(cluster: str, declared: Sequence[str]) -> tuple[str, ...]:
    """Where to ask: the same ports of the host in HASHISTACK_VIA, or the ends of an open tunnel, or `declared`.

    Who answers there is proven by its certificate, which names a server of the cluster whatever the address.
    """
    if host := os.environ.get(VIA, "").strip():
        return tuple(dict.fromkeys(f"https://{host}:{urlsplit(address).port}" for address in declared))
    ends = opened(cluster)
    return tuple(ends.get(address, address) for address in declared)


def address(connection: Connection, product: str) -> str:
    """The one address of an API that a user's own programs are given."""
    return addresses(connection.name, [getattr(connection, product).address])[0]


def remedy(cluster: str, asked: Sequence[str]) -> str:
    """What to do when nobody answers at these addresses; "" where they are the servers' own."""
    if len(asked) > 1:
        return ""
    where = urlsplit(asked[0])
    if os.environ.get(VIA):
        return f"look whether the tunnel to port {where.port} is open at {where.hostname} ({VIA})"
    if asked[0] in opened(cluster).values():
        return "look what `hashistack tunnel` says, which is open to this cluster"
    return (
        f"{where.hostname} is the cluster's private load balancer: connect to its network (VPN, peering), or keep "
        f"`hashistack tunnel` running; of a tunnel of your own to its ports here, export {VIA}=127.0.0.1"
    )


def opened(cluster: str) -> Mapping[str, str]:
    """The open tunnel of this user to a cluster: declared address to the one here; empty without."""
    with suppress(HashistackError):  # a user without a home has no tunnel
        for place in kept(cluster):
            with suppress(OSError, ValueError), (place / _FILE).open() as file:
                if _held(file.fileno()):
                    return {str(key): str(value) for key, value in json.load(file).items()}
    return {}


@contextmanager
def announced(cluster: str, ends: Mapping[str, str]) -> Iterator[None]:
    """Has other commands find these ends of a tunnel. Raises TunnelOpen where there is one already."""
    handle = os.open(directory(cluster) / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, cluster)
        os.truncate(handle, 0)
        os.write(handle, json.dumps(dict(ends)).encode())
        yield
    finally:
        os.close(handle)  # with it the lock; what the file says is nothing without


def refuse_second(cluster: str) -> None:
    """Raises TunnelOpen where a tunnel to the cluster is open."""
    if ends := opened(cluster):
        raise TunnelOpen(
            f"a tunnel to {cluster} is open already, at {', '.join(ends.values())}",
            "use it, or end the other `hashistack tunnel`",
        )


def _held(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _take(handle: int, cluster: str) -> None:
    for _ in range(_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE)
    refuse_second(cluster)
    raise TunnelOpen(f"another tunnel to {cluster} is being opened", "use that one")
