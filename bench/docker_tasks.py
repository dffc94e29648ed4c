"""Figures of the docker driver: a task's start beside `docker run` on the host, and what Docker adds to a client.

What a start takes beyond the container's own is Nomad's, and no setting changes it. Of 0.84 s, with 0.40 s for `docker
run`: 0.19 s in the servers until a client has it, 0.45 s there until it runs, which is 0.05 s more than the floor, and
0.22 s until the servers say so, because a client tells of its tasks every 0.2 s (`allocSyncIntv` in Nomad's
client/client.go).
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import docker

from bench.cluster import EXAMPLE
from bench.figure import Figure, load
from bench.idle import SETTLING
from bench.machines import memory_mib
from bench.workspace import Workspace
from hashistack.local import labels
from hashistack.machine.config.docker import PAUSE
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection

STARTS = 7
SLEEP = ("busybox", "sleep", "3600")
PATIENCE = 60.0
POOLS = (("workers", ["exec", "docker"]), ("plain", ["exec"]))


class NotStarted(Exception):
    """A task did not start."""


def figures() -> Iterator[Figure]:
    """Of a cluster with a client that has Docker and one that has not; it is not left behind."""
    client = docker.from_env(timeout=60)
    with tempfile.TemporaryDirectory(prefix="hashistack-bench-") as private:
        directory = Path(private)
        workspace = Workspace(directory, "bench-docker", EXAMPLE.read_text())
        workspace.configure("cluster.name", "docker")
        for index, (name, drivers) in enumerate(POOLS):
            pool = f"cluster.clients[{index}]"
            workspace.configure(f"{pool}.name", name)
            workspace.configure(f"{pool}.desired", "1")
            for place, driver in enumerate(drivers):
                workspace.configure(f"{pool}.drivers[{place}]", driver)
        ours = {"label": [f"{labels.PROJECT}={directory / 'bench-docker'}", f"{labels.ROLE}=client"]}
        try:
            workspace.up()
            machines = {one["Labels"][labels.POOL]: one for one in client.api.containers(filters=ours)}
            before = load()
            with Cluster(Connection.parse(workspace.output("connection"))) as cluster:
                # Turn and turn about, so that both meet the same neighbours; the first of each warms the caches.
                pairs = [
                    (_task(cluster, f"start-{number}"), _run(machines["workers"]["Image"])) for number in range(STARTS)
                ][1:]
            time.sleep(SETTLING)
            memory = {pool: memory_mib(client, [one["Id"]]) for pool, one in machines.items()}
        finally:
            workspace.destroy()
    starts, runs = zip(*pairs, strict=True)
    value = median(map(sum, starts))
    placed, started, told = map(median, zip(*starts, strict=True))
    note = f"median of {len(pairs)}: {placed:.2f} s until its client has it, {started:.2f} s until it runs there, "
    note += f"{told:.2f} s until the servers say so; floor: docker run on the host"
    yield Figure("start of a docker task", value, "s", median(runs), ratio_limit=1.5, note=note, load=before)
    note = f"{SETTLING} s after the last task; floor: a client without Docker"
    yield Figure("memory of a client with Docker", memory["workers"], "MiB", memory["plain"], note=note, load=before)


def _task(cluster: Cluster, name: str) -> tuple[float, float, float]:
    """Seconds from registration until a client has it, from then until it runs there, and until the servers say so.

    It is stopped again. Raises NotStarted.
    """
    begun = time.time()
    cluster.nomad.register(_job(name))
    index, tasks = 0, list[dict[str, Any]]()
    while not any(task["State"] == "running" for task in tasks):
        if time.time() - begun > PATIENCE:
            raise NotStarted(f"{name} does not run within {PATIENCE:.0f} s: {tasks}")
        answer = cluster.nomad.api.call("GET", f"/v1/job/{name}/allocations", index=index, hold=5.0)
        index = answer.index
        tasks = [task for one in answer.data for task in (one["TaskStates"] or {}).values()]
    told = time.time()
    cluster.nomad.api.call("DELETE", f"/v1/job/{name}", params={"purge": "true"})
    at = {event["Type"]: event["Time"] / 1e9 for event in tasks[0]["Events"]}
    return at["Received"] - begun, at["Started"] - at["Received"], told - at["Started"]


def _job(name: str) -> dict[str, Any]:
    command, *arguments = SLEEP
    task = {
        "Name": "sleep",
        "Driver": "docker",
        "Config": {"image": PAUSE, "entrypoint": [command], "args": arguments},
        "KillTimeout": 1,
        "Resources": {"CPU": 20, "MemoryMB": 16},
    }
    return {"ID": name, "Name": name, "Type": "service", "TaskGroups": [{"Name": name, "Tasks": [task]}]}


def _run(image: str) -> float:
    """Seconds that `docker run` takes for the same program on the host."""
    command, *arguments = SLEEP
    started = time.monotonic()
    order = ["docker", "run", "--detach", "--rm", "--entrypoint", command, image, *arguments]
    done = subprocess.run(order, capture_output=True, text=True, check=True)
    took = time.monotonic() - started
    subprocess.run(["docker", "kill", done.stdout.strip()], capture_output=True, check=True)
    return took
