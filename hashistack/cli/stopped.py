"""What a command says where a cluster does not answer because its machines are stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hashistack.cli.errors import Refusal
from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import ApiError
from hashistack.ops.rollout.driver import Instance
from hashistack.platforms import driver


def stopped(connection: Connection) -> tuple[tuple[Instance, ...], bool]:
    """The cluster's machines that are stopped and can be started again, and whether it has no others.

    None of them where the platform stops no machines, or can't be asked from here.
    """
    try:
        platform = driver(connection)
        if platform.cannot_stop:
            return (), False
        found = platform.instances()
    except HashistackError:
        return (), False
    there = [one for one in found if one.state != "terminated"]
    asleep = tuple(one for one in there if one.state == "stopped")
    return asleep, len(asleep) == len(there)


@contextmanager
def reached(connection: Connection) -> Iterator[Cluster]:
    """The cluster's APIs. Raises Refusal where they don't answer because its machines are stopped."""
    try:
        with Cluster(connection) as cluster:
            yield cluster
    except ApiError as error:
        asleep, all_of_it = stopped(connection)
        if not asleep:
            raise
        who = "all machines" if all_of_it else ", ".join(one.name for one in asleep)
        raise Refusal(f"{connection.name} does not answer. Stopped: {who}", "hashistack start") from error
