"""Rolls on real clusters: two hops under load, killed in between and resumed, stopped at the canary, made larger."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import docker
import pytest

from bench.load import Load
from bench.web_job import BODY, JOB, job
from bench.writes import Writes
from hashistack.local.image.recipe import tag
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.rollout.event_log import place, recorded
from hashistack.ops.rollout.events import ResultEvent, RolloutEvent, StepEvent, read
from hashistack.ops.rollout.regressions import BROKEN
from hashistack.ops.snapshots.archive import listed

from .conftest import finish
from .datacenter import Datacenter, Machine
from .project import Project, small, until
from .renumbered import renumbered

OLD = {"nomad": "1.10.5", "consul": "1.21.0", "vault": "1.21.0"}
NEW = {"nomad": "1.11.3", "consul": "1.22.3", "vault": "1.21.2"}
FURTHER = {**NEW, "nomad": "1.13.3"}
"""NEW, with its Nomad under a number that is three series from OLD's: more than one step goes."""
HOPS = [NEW, {"nomad": FURTHER["nomad"]}]
TO = [word for product, version in FURTHER.items() for word in ("--to", f"{product}={version}")]
REQUESTS, PER_SECOND = 20_000, 200
EVERYWHERE = {
    "ID": "everywhere",
    "Name": "everywhere",
    "Type": "system",
    "Datacenters": ["*"],
    "TaskGroups": [
        {
            "Name": "everywhere",
            "Tasks": [
                {
                    "Name": "wait",
                    "Driver": "exec",
                    "Config": {"command": "/bin/sleep", "args": ["86400"]},
                    "KillSignal": "SIGKILL",
                    "Resources": {"CPU": 20, "MemoryMB": 16},
                    "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
                }
            ],
        }
    ],
}
"""A job that is on each client, as agents for logs and metrics are."""
LOOPING = {
    "ID": "looping",
    "Name": "looping",
    "Type": "service",
    "Datacenters": ["*"],
    "TaskGroups": [
        {
            "Name": "looping",
            "Count": 2,
            "Migrate": {"MaxParallel": 2, "HealthCheck": "task_states", "HealthyDeadline": 15 * 10**9},
            "RestartPolicy": {"Attempts": 10, "Delay": 10**9, "Interval": 60 * 10**9, "Mode": "delay"},
            "Tasks": [
                {
                    "Name": "looping",
                    "Driver": "exec",
                    "Config": {"command": "/bin/false"},
                    "Resources": {"CPU": 20, "MemoryMB": 16},
                    "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
                }
            ],
        }
    ],
}
"""A job that is broken whatever a roll does."""
SEED = "HASHISTACK_TESTS_SEED"


@pytest.fixture(scope="module")
def rolled(docker_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datacenter]:
    """A cluster of old versions, whose `up` declares machines and leaves the roll to the command."""
    home = tmp_path_factory.mktemp("rolled")
    project = Project.of_program(home / "project", "rolled")
    project.configure(cluster=specification(OLD), arguments={"rollout": "command"})
    try:
        project.run("up")
        static = docker_client.images.get(tag()).labels["hashistack.libc"] == "musl"
        with renumbered("nomad", NEW["nomad"], FURTHER["nomad"], home / "mirror", static=static):
            yield Datacenter(docker_client, project)
    finally:
        finish(docker_client, project)


def specification(versions: dict[str, str], servers: int = 3, **client: Any) -> dict[str, Any]:
    cluster = small(f"r{secrets.token_hex(2)}", servers=servers, clients=2)
    cluster["clients"][0].update(client)
    return {**cluster, "versions": versions, "upgrade": {"min_healthy_time": "2s", "drain_deadline": "2m"}}


def declare(datacenter: Datacenter, **changes: Any) -> None:
    """Changes the specification and lets `up` declare it; the machines stay as they are."""
    project = datacenter.project
    project.configure(cluster={**project.configuration()["cluster"], **changes})
    project.run("up")


def names(datacenter: Datacenter) -> set[str]:
    return names_of(datacenter.machines())


def names_of(machines: Sequence[Machine]) -> set[str]:
    return {machine.name for machine in machines}


def deploy(datacenter: Datacenter, wanted: dict[str, Any]) -> None:
    with Cluster(datacenter.connection) as cluster:
        version = cluster.nomad.register(wanted)

        def well() -> bool:
            deployment = cluster.nomad.deployment(wanted["ID"])
            return deployment is not None and (deployment.job_version, deployment.status) == (version, "successful")

        until(well, 180, lambda: f"version {version} is deployed: {cluster.nomad.deployment(wanted['ID'])}")


def versions(datacenter: Datacenter) -> dict[str, set[str]]:
    """What the products themselves say, on every machine."""
    members = datacenter.consul("/v1/agent/members")
    nodes = [datacenter.nomad(f"/v1/node/{node['ID']}") for node in datacenter.nomad("/v1/nodes")]
    found = {"consul": {m["Tags"]["build"].partition(":")[0] for m in members if m["Status"] == 1}}
    found["nomad"] = {node["Attributes"]["nomad.version"] for node in nodes}
    found["nomad"] |= {
        m["Tags"]["build"] for m in datacenter.nomad("/v1/agent/members")["Members"] if m["Status"] == "alive"
    }
    with Cluster(datacenter.connection) as cluster:
        found["vault"] = {server.version for server in cluster.vault.health()}
    return found


def nothing_is_left_of(datacenter: Datacenter, gone: set[str]) -> None:
    """In Raft, in Nomad's nodes, in Consul's catalog: only the machines that are there."""
    with Cluster(datacenter.connection) as cluster:

        def left() -> set[str]:
            rafts = (cluster.nomad.raft(), cluster.consul.raft(), cluster.vault.raft())
            listed = {peer.name for raft in rafts for peer in raft.peers}
            listed |= {node.name for node in cluster.nomad.nodes()} | set(cluster.consul.machines())
            return listed & gone

        until(lambda: not left(), 90, lambda: f"nothing is left of {left()}")


def system_jobs_stop_last(datacenter: Datacenter) -> dict[str, bool]:
    """Machine that is gone to whether its system job outlived all other work there. Those that are here have one."""
    ends: dict[str, dict[str, list[str]]] = {}
    for one in datacenter.nomad("/v1/allocations"):
        kind = "system" if one["JobID"] == EVERYWHERE["ID"] else "other"
        finished = [task["FinishedAt"] or "" for task in (one["TaskStates"] or {}).values()]
        ends.setdefault(one["NodeName"], {"system": [], "other": []})[kind] += finished
    here = names_of(datacenter.clients)
    assert {name for name, found in ends.items() if "" in found["system"]} == here
    return {
        name: max(found["system"]) > max(found["other"])
        for name, found in ends.items()
        if name not in here and found["system"] and found["other"]
    }


def nothing_to_do(datacenter: Datacenter) -> None:
    """A rollout would do nothing. One that waits for a machine which is not well, as on a busy host, would do that."""

    def said() -> bool:
        with datacenter.project.start("rollout", "--dry-run") as process:
            return "all machines are as declared" in process.communicate()[0]

    until(said, 120, "every machine is as declared, and well")


def test_a_dry_run_says_all_and_changes_nothing(rolled: Datacenter) -> None:
    before = {machine.container.id for machine in rolled.machines()}
    said = rolled.project.run("upgrade", *TO, "--dry-run", code=1)
    assert "hop 1 of 2: nomad 1.11.3, consul 1.22.3, vault 1.21.2" in said
    assert "hop 2 of 2: nomad 1.13.3" in said
    assert "server: 3 of 3 outdated" in said
    assert "work: 2 of 2 outdated" in said
    assert "default/smoke.smoke" in said
    plan = json.loads(rolled.project.run("upgrade", *TO, "--dry-run", "-o", "json", code=1).splitlines()[-1])
    assert plan["hops"] == HOPS
    assert {pool["pool"]: pool["waves"] for pool in plan["pools"]} == {"server": 3, "work": 2}
    assert plan["snapshot"]
    for refused, why in (
        (("--to", "nomad=1.9.0"), "cannot be downgraded"),
        (("--to", "nomad"), "PRODUCT=VERSION"),
        (("--to", "pulumi=3.0.0"), "PRODUCT=VERSION"),
    ):
        assert why in rolled.project.run("upgrade", *refused, code=2)
    nothing_to_do(rolled)
    assert {machine.container.id for machine in rolled.machines()} == before


def test_a_preview_names_each_pool_that_will_roll_and_why(rolled: Datacenter) -> None:
    project = rolled.project
    declared = project.configuration()["cluster"]
    try:
        project.configure(cluster={**declared, "versions": {**OLD, "nomad": NEW["nomad"], "vault": NEW["vault"]}})
        said = project.pulumi("preview")
        nomad, vault = (f"{product} {OLD[product]} → {NEW[product]}" for product in ("nomad", "vault"))
        assert f"server: its machines are to be replaced by new ones: {nomad}, {vault}" in said
        assert f"work: its machines are to be replaced by new ones: {nomad}\n" in said
        project.configure(cluster={**declared, "clients": [{**declared["clients"][0], "meta": {"rack": "r1"}}]})
        said = project.pulumi("preview")
        assert "work: its machines are to be replaced by new ones: conf/nomad/40-role.json" in said
        assert "server: its machines" not in said
    finally:
        project.configure(cluster=declared)


def told(process: subprocess.Popen[str], text: str, project: Project) -> str:
    """All that a command says until it says this."""
    assert process.stdout is not None
    late = threading.Timer(900, project.kill)
    late.start()
    said = ""
    try:
        while text not in said:
            line = process.stdout.readline()
            assert line, f"it ended, or was ended, before it said {text!r}:\n{said}"
            said += line
    finally:
        late.cancel()
    return said


def rolls(project: Path) -> dict[str, tuple[list[bool], list[str]]]:
    """What servers were to be, by its bundle, in order: how the runs ended (not those killed), and their steps."""
    found: dict[str, tuple[list[bool], list[str]]] = {}
    for file in recorded(project):
        events = read(file.read_text().splitlines(), str(file))
        begun = next((event for event in events if isinstance(event, RolloutEvent)), None)
        if begun is None or not begun.changes:
            continue  # killed before it had looked, or nothing to do
        ends, steps = found.setdefault(begun.bundles["server"], ([], []))
        ends += [event.ok for event in events if isinstance(event, ResultEvent)]
        steps += [event.text for event in events if isinstance(event, StepEvent) and event.state == "done"]
    return found


def test_two_hops_of_every_machine_under_load_interrupted_killed_in_between_and_resumed(
    rolled: Datacenter, docker_client: docker.DockerClient
) -> None:
    seed = int(os.environ.get(SEED) or secrets.randbits(32))
    chance = random.Random(seed)  # noqa: S311
    print(f"{SEED}={seed}")
    project = rolled.project
    deploy(rolled, job(rolled.connection.datacenter, rolled.connection.region))
    rolled.nomad("/v1/jobs", {"Job": EVERYWHERE})
    before = names(rolled)
    load = Load(docker_client, rolled.site, f"{JOB}.service.consul", BODY)
    with Cluster(rolled.connection) as cluster:
        writes = Writes(cluster)
        load.start()
        writes.start()
        try:
            # Each random moment is the test's subject, not a condition.
            with project.start("upgrade", *TO) as process:
                time.sleep(chance.uniform(5, 30))
                assert process.poll() is None, "it was over before the Ctrl-C"
                process.send_signal(signal.SIGINT)
                said, _ = process.communicate(timeout=180)
            assert process.returncode not in (0, -signal.SIGINT)
            assert "interrupted" in said
            assert "Traceback" not in said
            with project.start("upgrade", *TO) as process:
                # The second hop's `up` says it first, whether this run began with the first hop or within it.
                print(told(process, f"nomad {NEW['nomad']} → {FURTHER['nomad']}", project))
                between = names(rolled)
                time.sleep(chance.uniform(0, 30))
                assert process.poll() is None, "it was over before the kill"
                project.kill()
                process.communicate()
            said = project.run("upgrade", *TO, seconds=1200)
            print(said)
            # A roll that is quicker than that is asked on.
            until(lambda: sum(sample.requests for sample in load.samples) >= REQUESTS, 240, f"{REQUESTS} requests")
        finally:
            written = writes.stop()
            totals = load.stop()
            load.write(project.directory / "samples.ndjson")
    print(totals)
    print(written)
    assert totals.failed == 0, totals.errors
    assert totals.requests >= REQUESTS
    assert totals.lowest >= PER_SECOND
    assert {product: one.lost for product, one in written.items()} == dict.fromkeys(written, ())
    assert all(one.acknowledged for one in written.values())
    assert "hop 1" not in said, "the hop that was done is done again"
    assert "an earlier run has begun" not in said, "the first hop was not done"
    first, second = rolls(project.directory).values()
    for ends, steps in (first, second):
        assert ends[-1]
        assert any(step.startswith("snapshot of ") for step in steps)
    archives, bad = listed(place(project.directory, "snapshots"))
    assert not bad
    taken = [
        {part.product: part.version for part in archive.manifest.parts}
        for archive in archives
        if not archive.file.name.startswith("scheduled")
    ]
    assert OLD in taken
    assert NEW in taken
    after = Datacenter(docker_client, project)
    assert len(after.servers) == 3
    assert len(after.clients) == 2
    assert len(between) == 5
    assert not between & before
    assert not names(after) & (before | between)
    after.healthy()
    nothing_is_left_of(after, before | between)
    stops = system_jobs_stop_last(after)
    assert stops
    assert all(stops.values()), stops
    assert versions(after) == {product: {version} for product, version in FURTHER.items()}
    nothing_to_do(rolled)
    # Going back is no plan of ours where the vendor has none.
    assert "cannot be downgraded" in project.run("upgrade", "--to", "nomad=1.10.5", code=2)


def test_work_that_fails_on_new_machines_stops_the_roll_at_the_canary(
    rolled: Datacenter, docker_client: docker.DockerClient
) -> None:
    old = sorted(machine.name for machine in rolled.clients)
    picky = job(rolled.connection.datacenter, rolled.connection.region)
    picky |= {"ID": "picky", "Name": "picky"}
    group = picky["TaskGroups"][0]
    group["Name"] = "picky"
    group["Services"][0]["Name"] = "picky"
    group["Migrate"] = {
        "MaxParallel": 2,
        "HealthCheck": "checks",
        "MinHealthyTime": 10**9,
        "HealthyDeadline": 15 * 10**9,
    }
    task = group["Tasks"][0]
    task["Env"] = {"NODE": "${node.unique.name}"}
    where = "|".join(old)
    task["Config"]["args"] = ["-c", f"case $NODE in {where}) ;; *) exit 1 ;; esac; {task['Config']['args'][1]}"]
    deploy(rolled, picky)
    rolled.nomad("/v1/jobs", {"Job": LOOPING})
    with Cluster(rolled.connection) as asked:
        restarted = asked.nomad.restarted
        until(lambda: any(one.job == "looping" and len(one.restarts) > 1 for one in restarted()), 120, "it loops")
    cluster = rolled.project.configuration()["cluster"]
    declare(rolled, clients=[{**cluster["clients"][0], "meta": {"another": "bundle"}}])
    said = rolled.project.run("rollout", "--no-snapshot", code=2)
    assert "work does not come up on the new machines" in said
    assert "default/picky" in said
    assert "Next: " in said
    # What was broken before is named, and is no reason.
    assert f"{BROKEN}: default/looping" in said
    assert "default/looping" not in said.partition("work does not come up")[2]
    assert set(old) <= names(rolled)
    nodes = {node["Name"]: node for node in rolled.nomad("/v1/nodes")}
    assert all(nodes[name]["SchedulingEligibility"] == "eligible" and not nodes[name]["Drain"] for name in old)

    def runs() -> bool:
        listed = rolled.nomad("/v1/job/picky/allocations")
        return sum(one["ClientStatus"] == "running" and one["NodeName"] in old for one in listed) == 4

    until(runs, 180, "all allocations run on the old machines again")
    # What was declared before is a plan like any other: the new machine goes, the old ones stay.
    declare(rolled, clients=cluster["clients"])
    rolled.project.run("rollout", "--no-snapshot")
    assert set(old) <= names(rolled)
    assert len(rolled.clients) == 2
    for name in ("picky", "looping"):
        rolled.vendor("nomad", "job", "stop", "-purge", "-detach", name)
    rolled.healthy()


def test_at_their_pace_applications_move_by_their_own_deploys(
    rolled: Datacenter, docker_client: docker.DockerClient
) -> None:
    old = names_of(rolled.clients)
    web = job(rolled.connection.datacenter, rolled.connection.region)
    deploy(rolled, web)
    pool = rolled.project.configuration()["cluster"]["clients"][0]
    pace = {"pace": "applications", "max_surge": 2, "min_healthy_time": "2s"}
    declare(rolled, clients=[{**pool, "meta": {"pace": "theirs"}, "upgrade": pace}])
    said = rolled.project.run("rollout", "--no-snapshot")
    assert "waiting for the applications: " in said
    assert old <= names_of(rolled.clients)
    assert len(rolled.clients) == 4
    nodes = {node["Name"]: node for node in rolled.nomad("/v1/nodes")}
    eligible = {name for name, node in nodes.items() if node["SchedulingEligibility"] == "eligible"}
    assert eligible == names_of(rolled.clients) - old
    assert not any(node["Drain"] for node in nodes.values())

    load = Load(docker_client, rolled.site, f"{JOB}.service.consul", BODY)
    load.start()
    try:
        deploy(rolled, {**web, "Meta": {"release": "next"}})
        rolled.project.run("rollout", "--no-snapshot")
    finally:
        totals = load.stop()
    assert totals.failed == 0, totals.errors
    assert len(rolled.clients) == 2
    assert not names_of(rolled.clients) & old
    nothing_is_left_of(rolled, old)
    rolled.healthy()


def test_pools_grow_and_shrink_under_load(rolled: Datacenter, docker_client: docker.DockerClient) -> None:
    """From three servers to five, from two clients to three, and back."""
    deploy(rolled, job(rolled.connection.datacenter, rolled.connection.region))
    pool = rolled.project.configuration()["cluster"]["clients"][0]
    pool["upgrade"] = {**pool.get("upgrade", {}), "pace": "drain"}
    before = {machine.container.id: machine.name for machine in rolled.machines()}
    load = Load(docker_client, rolled.site, f"{JOB}.service.consul", BODY)
    load.start()
    try:
        declare(rolled, servers={"count": 5}, clients=[{**pool, "desired": 3}])
        grown = Datacenter(docker_client, rolled.project)
        assert (len(grown.servers), len(grown.clients)) == (5, 3)
        there = names(grown)
        assert before.keys() <= {machine.container.id for machine in grown.machines()}, "a new count replaces nobody"
        assert grown.healthy()["can_lose"] == {"nomad": 2, "consul": 2, "vault": 2}
        declare(rolled, servers={"count": 3}, clients=[pool])
    finally:
        totals = load.stop()
    assert totals.failed == 0, totals.errors
    shrunk = Datacenter(docker_client, rolled.project)
    assert (len(shrunk.servers), len(shrunk.clients)) == (3, 2)
    assert shrunk.healthy()["can_lose"] == {"nomad": 1, "consul": 1, "vault": 1}
    nothing_is_left_of(shrunk, there - names(shrunk))
