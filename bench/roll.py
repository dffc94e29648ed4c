"""Figures of a roll: all three products change their version on every machine, under load and with writes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker

from bench.figure import Figure, load
from bench.load import Load
from bench.web_job import BODY, JOB, SHUTDOWN_DELAY_SECONDS, job
from bench.workspace import Workspace
from bench.writes import Writes
from hashistack.local.driver import LocalDriver
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.rollout.events import ResultEvent, read
from hashistack.ops.rollout.observer import Observer

OLD = {"nomad": "1.10.5", "consul": "1.21.0", "vault": "1.21.0"}
NEW = {"nomad": "1.11.3", "consul": "1.22.3", "vault": "1.21.2"}
REQUESTS = 20_000
PATIENCE = 120.0
PROGRAM = """\
import pulumi

from hashistack import LocalCluster, LocalClusterArgs

cluster = LocalCluster("roll", LocalClusterArgs(spec=pulumi.Config().require_object("cluster")))
pulumi.export("connection", cluster.connection)
"""


def figures() -> Iterator[Figure]:
    """One roll of three servers and two clients; its cluster is not left behind."""
    client = docker.from_env(timeout=60)
    with tempfile.TemporaryDirectory(prefix="hashistack-bench-") as private:
        workspace = Workspace(Path(private), "bench-roll", PROGRAM)
        workspace.configure("cluster.name", "roll")
        # What an operator waits for on top of what is needed is no cost of ours.
        workspace.configure("cluster.upgrade.min_healthy_time", "1ms")
        _declare(workspace, OLD)
        try:
            workspace.up()
            before = load()
            connection = Connection.parse(workspace.output("connection"))
            with Cluster(connection) as cluster:
                pool = next(pool.name for pool in connection.pools if pool.role == "client")
                cluster.nomad.register(job(connection.datacenter, connection.region))
                asking = Load(client, connection.name, f"{JOB}.service.{cluster.consul.dns_domain()}", BODY)
                asking.start()
                writing = Writes(cluster)
                writing.start()
                _declare(workspace, NEW)
                workspace.up()
                written = writing.stop()
                floor = _floor(cluster, Connection.parse(workspace.output("connection")), pool)
                while sum(sample.requests for sample in asking.samples) < REQUESTS:
                    time.sleep(1)
                asked = asking.stop()
        finally:
            workspace.destroy()
        events = sorted((Path(private) / "bench-roll" / ".hashistack" / "rollouts").glob("*.ndjson"))[-1]
        told = [event for event in read(events.read_text().splitlines()) if isinstance(event, ResultEvent)]
    under = f"{asked.requests:,} requests, at least {asked.lowest}/s, over nomad, consul and vault on every machine"
    yield Figure("a roll: failed requests", asked.failed, "", limit=0, note=under, load=before)
    yield Figure("a roll: p99 of requests", asked.p99_ms or 0.0, "ms", note="as above", load=before)
    lost = sum(len(one.lost) for one in written.values())
    pauses = ", ".join(f"{product} {one.longest:.1f} s" for product, one in sorted(written.items()))
    note = f"of {sum(one.acknowledged for one in written.values()):,} acknowledged; longest without one: {pauses}"
    yield Figure("a roll: lost writes", lost, "", limit=0, note=note, load=before)
    each = told[-1].seconds / max(1, told[-1].replaced)
    note = f"{told[-1].replaced} machines; floor: a machine's boot to healthy and the job's shutdown_delay"
    yield Figure("seconds per replaced machine", each, "s", floor, ratio_limit=1.5, note=note, load=before)


def _declare(workspace: Workspace, versions: dict[str, str]) -> None:
    for product, version in versions.items():
        workspace.configure(f"cluster.versions.{product}", version)


def _floor(cluster: Cluster, connection: Connection, pool: str) -> float:
    """A machine's boot, the mean of three servers and two clients that come and go, and the job's shutdown_delay.

    Each boots for itself: autopilots look for new voters every 10 s, so one server may take half as long as the next.
    """
    driver = LocalDriver(connection)
    boots = [_boot(cluster, driver, name) for name in ("server", "server", "server", pool, pool)]
    return sum(boots) / len(boots) + SHUTDOWN_DELAY_SECONDS


def _boot(cluster: Cluster, driver: LocalDriver, pool: str) -> float:
    observer = Observer(cluster, driver)
    started = time.monotonic()
    (name,) = driver.grow(pool, 1)
    try:
        while time.monotonic() - started < PATIENCE:
            machines = (machine for one in observer.look().fleet.pools for machine in one.machines)
            if any(machine.name == name and machine.state == "healthy" for machine in machines):
                return time.monotonic() - started
            time.sleep(0.2)
        raise RuntimeError(f"{name} is not healthy after {PATIENCE:.0f} s: {driver.evidence(name)}")
    finally:
        driver.terminate([name])
