"""Which platform a cluster's machines are on, and so who works its pools."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hashistack.cli.refusal import Refusal
from hashistack.local.driver import LocalDriver
from hashistack.ops.connection import Connection
from hashistack.ops.driver import PoolDriver

DRIVERS: Mapping[str, Callable[[Connection], PoolDriver]] = {"local": LocalDriver}


def driver(connection: Connection) -> PoolDriver:
    """The driver of the cluster's provider. Raises Refusal where this release has none."""
    if connection.provider not in DRIVERS:
        raise Refusal(f"this release of hashistack can't change machines on {connection.provider}")
    return DRIVERS[connection.provider](connection)
