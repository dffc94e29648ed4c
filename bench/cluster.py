"""Figures of a whole cluster: time to ready, no-op `up`, destroy, and what its machines use."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker

from bench.dns import ask
from bench.figure import Figure, load
from bench.floor import floor
from bench.machines import boot_seconds, cpu_seconds, memory_mib
from bench.workspace import Workspace
from hashistack.local import labels

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "test-cluster" / "__main__.py"
EMPTY = "import pulumi\n"
NOOPS = 3


def figures() -> Iterator[Figure]:
    """First the floor's cluster, then ours; neither is left behind."""
    client = docker.from_env(timeout=60)
    with tempfile.TemporaryDirectory(prefix="hashistack-bench-") as private:
        directory = Path(private)
        before = load()
        with floor(directory) as made:
            least = made.seconds
            floor_cpu = cpu_seconds(client, [c for found in made.containers.values() for c in found])
            floor_memory = {role: memory_mib(client, found) for role, found in made.containers.items()}
        empty = Workspace(directory, "bench-empty", EMPTY)
        workspace = Workspace(directory, "bench-cluster", EXAMPLE.read_text())
        workspace.configure("cluster.name", "bench")
        ours = {"label": [f"{labels.PROJECT}={directory / 'bench-cluster'}"]}
        destroyed = False
        try:
            seconds = workspace.up()
            machines: dict[str, list[str]] = {}
            for container in client.api.containers(filters=ours):
                machines.setdefault(container["Labels"][labels.ROLE], []).append(container["Id"])
            cpu = cpu_seconds(client, [c for found in machines.values() for c in found])
            memory = {role: memory_mib(client, found) for role, found in machines.items()}
            note = "pulumi up, warm caches; floor: docker run and curl by hand"
            yield Figure("time to ready", seconds, "s", least, ratio_limit=1.5, limit=15, note=note, load=before)
            yield Figure("CPU of the machines until then", cpu, "s", floor_cpu, note="all five", load=before)
            yield from _noop(workspace, empty)
            for role in ("server", "client"):
                note = f"mean of {len(machines[role])}, without page cache"
                value, least = memory[role], floor_memory[role]
                yield Figure(f"memory of a {role}", value, "MiB", least, note=note, load=load())
            yield from _names(client, machines["client"][0])
            for role in ("server", "client"):
                wall, used = boot_seconds(client, machines[role][0])
                note = f"user data and boot again; {used:.2f} s of CPU"
                yield Figure(f"boot programs of a {role}", wall, "s", limit=0.5, note=note, load=load())
            took = workspace.destroy()
            destroyed = True
            left = len(client.api.containers(all=True, filters=ours))
            yield Figure("destroy", took, "s", limit=5, note=f"{left} containers left", load=load())
        finally:
            if not destroyed:
                workspace.destroy()


def _noop(workspace: Workspace, empty: Workspace) -> Iterator[Figure]:
    empty.up()
    before = load()
    # Turn and turn about, so that both meet the same neighbours.
    pairs = [(workspace.up(), empty.up()) for _ in range(NOOPS)]
    value, least = (min(times) for times in zip(*pairs, strict=True))
    note = f"best of {NOOPS}; floor: an empty program, and a second more"
    yield Figure("no-op up", value, "s", least, limit=least + 1.0, note=note, load=before)


def _names(client: docker.DockerClient, container: str) -> Iterator[Figure]:
    details = client.api.inspect_container(container)
    pid = int(details["State"]["Pid"])
    # A name of the forwarded zone, which unbound keeps; those of the stub zone are asked of Consul each time.
    cached = ask(pid, details["Name"].lstrip("/"), 53)
    forwarded = ask(pid, "consul.service.consul", 53)
    direct = ask(pid, "consul.service.consul", 8600)
    for name, seen in (("a cached name", cached), (".consul names", forwarded)):
        # One name asked for by sixteen at a time: unbound passes equal questions on once.
        note = f"through unbound; floor: Consul's DNS directly; failed {seen.failed} and {direct.failed}"
        yield Figure(f"{name}: questions", seen.per_second, "1/s", direct.per_second, note=note, load=load())
        yield Figure(f"{name}: p99", seen.p99_ms, "ms", direct.p99_ms, note="as above", load=load())
