"""`hashistack stop` and `hashistack start`: all machines of a cluster at once, with their data."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as concluded

from hashistack.cli.engine import Engine
from hashistack.cli.errors import Refusal
from hashistack.cli.events import Line
from hashistack.cli.output import Show
from hashistack.cli.project import Project
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import ApiError
from hashistack.ops.readiness import smoke
from hashistack.ops.readiness.checks import NotReady, Update, readiness, wait
from hashistack.ops.rollout import stop as machines
from hashistack.ops.rollout.driver import PoolDriver
from hashistack.platforms import driver

READY_SECONDS = 180.0
"""As `LocalClusterArgs.timeout_seconds` is by default."""
LOOK_SECONDS = 0.2


def stop(project: Project, show: Show) -> None:
    """Stop the cluster's machines; they keep their data, their ports and their addresses.

    Raises:
        Refusal: the stack has no cluster, or one of a platform that does not stop machines.
        Locked, DriverFailed: a rollout is at work; the platform refused.
    """
    connection, platform = _of(project, show)
    clock = _Clock(show)
    with Cluster(connection) as cluster, show:
        stopped = machines.stop(cluster, platform, clock.during)
    said = f"stopped in {clock.seconds:.1f} s, with all data" if stopped else "nothing to do: no machine runs"
    data = {"ok": True, "seconds": round(clock.seconds, 1), "stopped": list(stopped)}
    show.result(data, f"{said}. Next: hashistack start")


def start(project: Project, show: Show) -> None:
    """Start the cluster's machines that are stopped, and wait until it is ready.

    Raises:
        Refusal: the stack has no cluster, or one of a platform that does not stop machines; or it has no machines, or
            did not become ready.
        DriverFailed: a machine can't be started; says what is in the way.
        SmokeFailed: no job is served.
    """
    connection, platform = _of(project, show)
    if all(one.state == "terminated" for one in platform.instances()):
        raise Refusal(f"{connection.name} has no machine that could be started", "hashistack up")
    clock = _Clock(show)
    with Cluster(connection) as cluster, show:
        started = machines.start(platform, clock.during)
        platform.ensure_api()
        try:
            wait(cluster, readiness(connection, smoke=False), READY_SECONDS, clock.told)
            if _has_smoke_job(cluster):
                wait(cluster, readiness(connection)[-1:], READY_SECONDS, clock.told)
        except NotReady as error:
            told = "\n".join(filter(None, (platform.evidence(one.name) for one in platform.instances())))
            raise Refusal(f"{error.what}\n{told}\nNothing was removed.", "hashistack status") from error
    said = f"ready in {clock.seconds:.1f} s" if started else "nothing to start: the cluster is ready"
    show.result({"ok": True, "seconds": round(clock.seconds, 1), "started": list(started)}, said)


def _of(project: Project, show: Show) -> tuple[Connection, PoolDriver]:
    connection = Engine(project, show.say).connection()
    platform = driver(connection)
    if platform.cannot_stop:
        raise Refusal(f"{connection.name} can't be stopped and started: {platform.cannot_stop}")
    return connection, platform


def _has_smoke_job(cluster: Cluster) -> bool:
    """`up` has served a job before it called the cluster ready; where it was told not to, neither does `start`."""
    try:
        return cluster.nomad.deploys(smoke.JOB)
    except ApiError as error:
        if error.status != 404:
            raise
        return False


class _Clock:
    """Shows what is done, and for how long it has been going on."""

    def __init__(self, show: Show) -> None:
        self._show, self._began = show, time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def during(self, text: str, work: Callable[[], None]) -> None:
        with ThreadPoolExecutor(1) as worker:
            doing = worker.submit(work)
            while not concluded([doing], LOOK_SECONDS).done:
                self._show.idle(self.seconds, text)
        doing.result()
        self._show.line(Line("done", text, self.seconds))

    def told(self, update: Update) -> None:
        self._show.line(Line("done" if update.done else "now", str(update), self.seconds))
        self._show.idle(self.seconds, str(update))
