"""A whole cluster stopped and started again, with its data: what a laptop does to it overnight. Nothing leaves it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import ApiError
from hashistack.ops.api.lock import Lock
from hashistack.ops.rollout.driver import PoolDriver

POLL_SECONDS = 0.25
STARTS = 3
"""How often a machine that stops again is started before a run gives up on it."""
_MEND = "mend what it says, then repeat"

During = Callable[[str, Callable[[], None]], None]
"""Calls what it is given, and tells its text."""


class WakeFailed(HashistackError):
    """A cluster does not answer though what was stopped is started, or can't: too few servers are left."""


def stop(cluster: Cluster, driver: PoolDriver, during: During) -> tuple[str, ...]:
    """Stop every machine that runs: clients first, so that their work has servers until it ends. Answers their names.

    Raises:
        Locked: a rollout is at work.
        DriverFailed: the platform refused.
    """
    running = [one for one in driver.instances() if one.state in ("running", "leaving")]
    if not running:
        return ()
    try:
        with Lock(cluster.nomad.api, "a stop"):
            pass  # nobody changes machines now. Held until Nomad is gone, it would hold up who comes after the start
    except ApiError:
        pass  # a Nomad without a leader: nobody can be at work
    servers = {pool.name for pool in cluster.connection.pools if pool.role == "server"}
    for role, names in (
        ("client", [one.name for one in running if one.pool not in servers]),
        ("server", [one.name for one in running if one.pool in servers]),
    ):
        if names:
            during(f"stop {_counted(names, role)}", lambda names=names: driver.stop(names))  # type: ignore[misc]
    return tuple(one.name for one in running)


def start(driver: PoolDriver, during: During) -> tuple[str, ...]:
    """Start every machine that is stopped; answers their names. Needs no lock: nothing is decided here.

    Raises:
        DriverFailed: the platform refused; says for which machines, and what is in the way.
    """
    names = tuple(one.name for one in driver.instances() if one.state == "stopped")
    if names:
        during(f"start again {_counted(names, 'stopped machine')}", lambda: driver.start(names))
        driver.ensure_api()
    return names


def wake(
    cluster: Cluster, driver: PoolDriver, during: During, cancelled: threading.Event | None = None
) -> tuple[str, ...]:
    """Start every machine that is stopped, and wait until Nomad answers; answers their names.

    Raises:
        DriverFailed: as `start`.
        WakeFailed: Nomad does not answer; says which machines are late, and why.
    """
    cancelled = cancelled or threading.Event()
    started = start(driver, during)
    deadline = time.monotonic() + driver.boot_seconds
    while started:
        try:
            cluster.nomad.raft()
        except ApiError as error:
            if time.monotonic() < deadline and not cancelled.wait(POLL_SECONDS):
                continue
            told = [said for name in started if (said := driver.evidence(name))]
            lost = quorum_lost(cluster.connection, driver) or WakeFailed("Nothing was removed.", _MEND)
            late = f"{_counted(started, 'machine')} started again, and Nomad does not answer: {error.what}"
            raise WakeFailed("\n".join([late, *told, lost.what]), lost.remedy) from error
        break
    return started


def quorum_lost(connection: Connection, driver: PoolDriver) -> WakeFailed | None:
    """That too few servers are left for a quorum, with what to do; None where there are enough."""
    servers = {pool.name for pool in connection.pools if pool.role == "server"}
    left = sum(one.pool in servers and one.state != "terminated" for one in driver.instances())
    declared = connection.machines("server")
    if left > declared // 2:
        return None
    if not left:
        return WakeFailed("No server is left.", "hashistack up, which says what can be done")
    return WakeFailed(
        f"{left} of {declared} servers are left, which is no quorum: without one, nothing can be replaced. Nothing was "
        "removed.",
        "remove the servers that are left, then hashistack up --yes, and hashistack snapshot restore FILE. Not "
        "hashistack down: it takes the secrets with it that open the archive",
    )


@contextmanager
def quorum_counted(connection: Connection, driver: PoolDriver) -> Iterator[None]:
    """An API that does not answer because too few servers are left is told as that: raises WakeFailed."""
    try:
        yield
    except ApiError as error:
        if lost := quorum_lost(connection, driver):
            raise WakeFailed(f"{error.what}\n{lost.what}", lost.remedy) from error
        raise


def start_again(driver: PoolDriver, names: Sequence[str], starts: Counter[str]) -> None:
    """Start machines that have stopped during a run, and count it. Raises WakeFailed for those that stop each time."""
    if hopeless := [name for name in names if starts[name] >= STARTS]:
        told = [said for name in hopeless if (said := driver.evidence(name))]
        what = f"started {STARTS} times and stopped again: {', '.join(hopeless)}. Nothing was removed."
        raise WakeFailed(
            "\n".join([what, *told]),
            f"{_MEND}. A machine that you remove is replaced: be sure that the others hold a quorum, and that you need "
            "nothing of its disk",
        )
    starts.update(names)
    driver.start(names)


def _counted(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}"
