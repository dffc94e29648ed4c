"""What an idle cluster's own programs use: their CPU beside that of the agents on the same machine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker

from bench.cluster import EXAMPLE
from bench.figure import Figure, load
from bench.machines import cpu_by_service
from bench.workspace import Workspace
from hashistack.local import labels

SECONDS = 600
"""As long as the rarest of what is asked for again and again: the look for rotated secrets is each 30 s."""
SETTLING = 60
"""A client's health program asks briskly for its first half minute."""
AGENTS = ("consul", "nomad", "vault")
OTHERS = ("docker", "unbound")
"""Neither ours nor what a cluster is made of; a machine has them with or without us."""


def figures() -> Iterator[Figure]:
    """Of a server and of a client of examples/test-cluster."""
    client = docker.from_env(timeout=60)
    with tempfile.TemporaryDirectory(prefix="hashistack-bench-") as private:
        directory = Path(private)
        workspace = Workspace(directory, "bench-idle", EXAMPLE.read_text())
        workspace.configure("cluster.name", "idle")
        try:
            workspace.up()
            ours = {"label": [f"{labels.PROJECT}={directory / 'bench-idle'}", labels.POOL]}
            found = {one["Labels"][labels.ROLE]: one["Id"] for one in client.api.containers(filters=ours)}
            time.sleep(SETTLING)
            before, loaded = {role: cpu_by_service(client, machine) for role, machine in found.items()}, load()
            time.sleep(SECONDS)
            for role, machine in sorted(found.items()):
                yield _figure(role, before[role], cpu_by_service(client, machine), loaded)
        finally:
            workspace.destroy()


def _figure(role: str, before: Mapping[str, float], after: Mapping[str, float], loaded: float) -> Figure:
    used = {service: after[service] - before.get(service, 0.0) for service in after}
    agents = sum(used[service] for service in AGENTS if service in used)
    ours = {service: seconds for service, seconds in used.items() if service not in (*AGENTS, *OTHERS)}
    note = ", ".join(f"{service} {seconds:.1f}" for service, seconds in sorted(ours.items()) if seconds >= 0.05)
    name = f"idle CPU of our programs on a {role}"
    return Figure(name, sum(ours.values()), "s", agents, ratio_limit=0.25, note=f"{SECONDS} s; {note}", load=loaded)
