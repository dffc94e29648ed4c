"""What a command does where a cluster does not answer: it bears an election, and names machines that are stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from hashistack.cli.errors import Refusal
from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import ApiError
from hashistack.ops.rollout.driver import Instance
from hashistack.platforms import driver

ELECTION_SECONDS = 20.0
"""How long a command bears an election, as a rollout does: one takes seconds, more on a busy machine."""
PAUSE_SECONDS = 0.5

Asked = TypeVar("Asked")


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


def borne(connection: Connection, ask: Callable[[], Asked]) -> Asked:
    """What is asked for, through an election; a cluster with machines that are stopped is not waited for.

    Raises:
        ApiError: it is refused, or not answered for too long.
    """
    deadline = time.monotonic() + ELECTION_SECONDS
    while True:
        try:
            return ask()
        except ApiError as error:
            refused = error.status is not None and 400 <= error.status < 500
            if refused or time.monotonic() >= deadline or stopped(connection)[0]:
                raise
            time.sleep(PAUSE_SECONDS)


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
