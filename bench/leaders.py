"""Seconds without writes when a leader is killed: SIGKILL for the leader's process of each product in turn."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker

from bench.cluster import EXAMPLE
from bench.figure import Figure, load
from bench.workspace import Workspace
from bench.writes import Writes, Written
from hashistack.local import labels
from hashistack.local.evidence import run
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import ApiError
from hashistack.ops.api.raft import Raft

LIMITS = {"consul": 5.0, "nomad": 5.0, "vault": 10.0}
"""Most seconds without an acknowledged write, by product."""

KILLS = 3
SETTLE_SECONDS = 60.0
"""For the servers to agree again after a kill."""


class KillFailed(Exception):
    """A leader could not be killed, or its cluster did not come together again; the text says which."""


def figures() -> Iterator[Figure]:
    """One cluster, and `KILLS` leaders of each product killed in it; it is not left behind."""
    client = docker.from_env(timeout=60)
    with tempfile.TemporaryDirectory(prefix="hashistack-bench-") as private:
        workspace = Workspace(Path(private), "bench-leaders", EXAMPLE.read_text())
        workspace.configure("cluster.name", "leaders")
        try:
            workspace.up()
            with Cluster(Connection.parse(workspace.output("connection"))) as cluster:
                for product, limit in LIMITS.items():
                    before = load()
                    seen = [_killed(client, cluster, product) for _ in range(KILLS)]
                    lost = sum(len(one.lost) + one.given_up for one in seen)
                    written = sum(one.acknowledged for one in seen)
                    each = ", ".join(f"{one.longest:.1f}" for one in seen)
                    longest = max(one.longest for one in seen)
                    note = f"kill -9 of its leader, longest of {KILLS} ({each})"
                    yield Figure(f"{product} without writes", longest, "s", limit=limit, note=note, load=before)
                    note = f"of {written} acknowledged, ten a second"
                    yield Figure(f"{product}: writes lost", lost, "", limit=0, note=note, load=before)
        finally:
            workspace.destroy()


def _killed(client: docker.DockerClient, cluster: Cluster, product: str) -> Written:
    """Kill the product's leader under writes; returns when all servers agree on one again."""
    writes = Writes(cluster)
    writes.start()
    try:
        victim = _settled(cluster, product)
        time.sleep(1)  # of writes that nothing disturbs
        _kill(client, cluster.connection.name, victim, product)
        _settled(cluster, product)
    finally:
        written = writes.stop()
    return written[product]


def _kill(client: docker.DockerClient, site: str, machine: str, product: str) -> None:
    filters = {"label": [f"{labels.SITE}={site}", f"{labels.MACHINE}={machine}"]}
    (container,) = client.api.containers(filters=filters)
    command = f"kill -9 $(pgrep -o -f '/{product} (agent|server) ')"
    code, output = run(client, container["Id"], ["sh", "-c", command])
    if code:
        raise KillFailed(f"{product} on {machine}: {output}")


def _settled(cluster: Cluster, product: str) -> str:
    """Waits until all servers vote and agree on a leader; its name."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        try:
            raft: Raft = getattr(cluster, product).raft()
            servers = cluster.connection.machines("server")
            if raft.has_quorum(servers):
                return raft.leader
            seen = raft.describe(servers)
        except ApiError as error:
            seen = str(error)
        if time.monotonic() > deadline:
            raise KillFailed(f"{product}'s servers do not agree after {SETTLE_SECONDS:.0f} s: {seen}")
        time.sleep(0.2)
