"""Rolls on real clusters: every machine replaced under load, killed and resumed, stopped at the canary, made larger."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

import docker
import pytest

from bench.load import Load
from bench.web_job import BODY, JOB, job
from bench.writes import Writes
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.rollout.regressions import BROKEN

from .conftest import finish
from .datacenter import Datacenter, Machine
from .project import Project, small, until

OLD = {"nomad": "1.10.5", "consul": "1.21.0", "vault": "1.21.0"}
NEW = {"nomad": "1.11.3", "consul": "1.22.3", "vault": "1.21.2"}
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
    project = Project.of_program(tmp_path_factory.mktemp("rolled") / "project", "rolled")
    project.configure(cluster=specification(OLD), arguments={"rollout": "command"})
    try:
        project.run("up")
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
    to = [word for product, version in NEW.items() for word in ("--to", f"{product}={version}")]
    said = rolled.project.run("upgrade", *to, "--dry-run", code=1)
    assert "server: 3 of 3 outdated" in said
    assert "work: 2 of 2 outdated" in said
    assert "default/smoke.smoke" in said
    plan = json.loads(rolled.project.run("upgrade", *to, "--dry-run", "-o", "json", code=1).splitlines()[-1])
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


def test_all_three_products_on_every_machine_under_load_killed_and_resumed(
    rolled: Datacenter, docker_client: docker.DockerClient
) -> None:
    seed = int(os.environ.get(SEED) or secrets.randbits(32))
    chance = random.Random(seed)  # noqa: S311
    print(f"{SEED}={seed}")
    deploy(rolled, job(rolled.connection.datacenter, rolled.connection.region))
    rolled.nomad("/v1/jobs", {"Job": EVERYWHERE})
    before = names(rolled)
    to = [word for product, version in NEW.items() for word in ("--to", f"{product}={version}")]
    load = Load(docker_client, rolled.site, f"{JOB}.service.consul", BODY)
    with Cluster(rolled.connection) as cluster:
        writes = Writes(cluster)
        load.start()
        writes.start()
        try:
            for end in ("Ctrl-C", "kill"):
                with rolled.project.start("upgrade", *to) as process:
                    time.sleep(chance.uniform(5, 30))  # the random moment is the test's subject, not a condition
                    assert process.poll() is None, f"it was over before the {end}"
                    if end == "kill":
                        rolled.project.kill()
                        process.communicate()
                        continue
                    process.send_signal(signal.SIGINT)
                    said, _ = process.communicate(timeout=180)
                    assert process.returncode not in (0, -signal.SIGINT)
                    assert "interrupted" in said
                    assert "Traceback" not in said
            print(rolled.project.run("upgrade", *to, seconds=1200))
            # A roll that is quicker than that is asked on.
            until(lambda: sum(sample.requests for sample in load.samples) >= REQUESTS, 240, f"{REQUESTS} requests")
        finally:
            written = writes.stop()
            totals = load.stop()
            load.write(rolled.project.directory / "samples.ndjson")
    print(totals)
    print(written)
    assert totals.failed == 0, totals.errors
    assert totals.requests >= REQUESTS
    assert totals.lowest >= PER_SECOND
    assert {product: one.lost for product, one in written.items()} == dict.fromkeys(written, ())
    assert all(one.acknowledged for one in written.values())
    after = Datacenter(docker_client, rolled.project)
    assert len(after.servers) == 3
    assert len(after.clients) == 2
    assert not names(after) & before
    after.healthy()
    nothing_is_left_of(after, before)
    stops = system_jobs_stop_last(after)
    assert stops
    assert all(stops.values()), stops
    assert versions(after) == {product: {version} for product, version in NEW.items()}
    nothing_to_do(rolled)
    # Going back is no plan of ours where the vendor has none.
    assert "cannot be downgraded" in rolled.project.run("upgrade", "--to", "nomad=1.10.5", code=2)


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


def test_a_pool_of_clients_grows_and_shrinks_under_load(rolled: Datacenter, docker_client: docker.DockerClient) -> None:
    pool = rolled.project.configuration()["cluster"]["clients"][0]
    pool["upgrade"] = {**pool.get("upgrade", {}), "pace": "drain"}
    before = names(rolled)
    load = Load(docker_client, rolled.site, f"{JOB}.service.consul", BODY)
    load.start()
    try:
        declare(rolled, clients=[{**pool, "desired": 3}])
        assert len(rolled.clients) == 3
        assert before <= names(rolled), "a new count replaces nobody"
        declare(rolled, clients=[pool])
    finally:
        totals = load.stop()
    assert totals.failed == 0, totals.errors
    two = Datacenter(docker_client, rolled.project)
    assert len(two.clients) == 2
    assert {machine.name for machine in two.servers} <= before
    nothing_is_left_of(two, (before | names(rolled)) - names(two))
    two.healthy()


def test_from_three_servers_to_five_and_back(rolled: Datacenter, docker_client: docker.DockerClient) -> None:
    before = {machine.container.id: machine.name for machine in rolled.machines()}
    declare(rolled, servers={"count": 5})
    assert len(rolled.servers) == 5
    assert before.keys() <= {machine.container.id for machine in rolled.machines()}, "a new count replaces nobody"
    five = Datacenter(docker_client, rolled.project)
    assert five.healthy()["can_lose"] == {"nomad": 2, "consul": 2, "vault": 2}
    declare(rolled, servers={"count": 3})
    three = Datacenter(docker_client, rolled.project)
    assert len(three.servers) == 3
    assert three.healthy()["can_lose"] == {"nomad": 1, "consul": 1, "vault": 1}
    nothing_is_left_of(three, {machine.name for machine in five.servers} - names(three))
