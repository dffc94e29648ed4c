"""Why a job has no place, in words, with what to do about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hashistack.ops.api.evaluations import failed
from hashistack.ops.api.nodes import Node
from hashistack.ops.api.placement import Unplaced, unplaced

NODES = tuple(
    Node(name, name, "default", "workers", "ready", True, False, {"exec": "", "docker": fault}, "dc1")
    for name, fault in (("workers-1", ""), ("workers-2", "not detected"))
)
SAME = "computed class ineligible"
META = "${meta.dns} = true"
NODE = "5a2ab6b3-2d44-4f4d-8a5c-0b3a3d1f1f39"


def metric(evaluated: int = 2, filtered: int = 2, **more: Any) -> dict[str, Any]:
    return {"NodesEvaluated": evaluated, "NodesFiltered": filtered, "NodePool": "default", **more}


def group(*drivers: str, **more: Any) -> dict[str, Any]:
    return {"Name": "web", "Tasks": [{"Name": driver, "Driver": driver} for driver in drivers], **more}


def constraint(what: str, **of_group: Any) -> Unplaced:
    return unplaced({"web": metric(ConstraintFiltered={what: 2})}, {"TaskGroups": [group("exec", **of_group)]}, NODES)


def volume(source: str, kind: str = "host", **more: Any) -> dict[str, Any]:
    return {"Volumes": {"data": {"Name": "data", "Type": kind, "Source": source, **more}}}


def with_volumes(*names: str) -> tuple[Node, ...]:
    return (replace(NODES[0], host_volumes=frozenset(names)), NODES[1])


def evaluation(index: int, status: str = "complete", **found: Any) -> dict[str, Any]:
    return {"CreateIndex": index, "Status": status, "FailedTGAllocs": {"web": found} if found else None}


@pytest.mark.parametrize(
    ("evaluations", "said"),
    [
        ([], {}),
        ([evaluation(1, DimensionExhausted={"memory": 3}), evaluation(2)], {}),
        ([evaluation(1), evaluation(2, "blocked", NodesEvaluated=2), evaluation(3)], {"web": {"NodesEvaluated": 2}}),
        ([evaluation(1, NodesEvaluated=1), evaluation(2, NodesEvaluated=3)], {"web": {"NodesEvaluated": 3}}),
    ],
)
def test_which_evaluation_tells(evaluations: list[dict[str, Any]], said: dict[str, Any]) -> None:
    assert failed(evaluations) == said


@pytest.mark.parametrize(
    ("drivers", "said", "remedy", "never"),
    [
        (("docker", "raw_exec"), "no driver raw_exec", "`accept: [raw_exec]`", True),
        (("java",), "no driver java", "add java to `drivers` of a pool of clients", True),
        (("podman",), "no driver podman", 'driver = "docker"', True),
        (("pledge",), "no driver pledge", "use one of exec, docker, java, qemu, raw_exec", True),
        (("raw_exec", "java"), "no drivers raw_exec, java", "add java to `drivers`", True),
    ],
)
def test_a_driver_that_no_machine_has(drivers: tuple[str, ...], said: str, remedy: str, never: bool) -> None:
    why = unplaced(
        {"web": metric(ConstraintFiltered={"missing drivers": 2}, ClassFiltered={"workers": 2})},
        {"TaskGroups": [group(*drivers)]},
        NODES,
    )
    assert why.text == f"group web can't be placed on any of 2 nodes: {said} on 2"
    assert remedy in why.remedy
    assert why.never is never


def test_a_driver_that_is_ill_everywhere_may_be_well_again() -> None:
    why = unplaced(
        {"web": metric(ConstraintFiltered={"missing drivers": 1})}, {"TaskGroups": [group("docker")]}, NODES[1:]
    )
    assert (why.text.partition(": ")[2], why.remedy, why.never) == (
        "no driver docker (not detected) on 1", "hashistack status", False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("what", "of_group", "said", "remedy"),
    [
        ("${meta.dns} = true", {}, "constraint ${meta.dns} = true on 2", '`meta: {dns: "true"}`'),
        ("${node.class} = web", {}, "constraint ${node.class} = web on 2", "`node_class: web`"),
        ("${attr.kernel.name} = windows", {}, "constraint ${attr.kernel.name} = windows on 2", "run Linux"),
        (
            "${attr.plugins.cni.version.consul-cni} semver >= 1.4.2",
            {},
            "constraint ${attr.plugins.cni.version.consul-cni} semver >= 1.4.2 on 2",
            "no plugin for it, unless their image has consul-cni in /opt/cni/bin",
        ),
        ("${attr.cpu.arch} = arm64", {}, "constraint ${attr.cpu.arch} = arm64 on 2", "change the machines"),
        (
            "missing compatible host volumes",
            {"Volumes": {"data": {"Type": "host", "Source": "mysql"}, "other": {"Type": "csi", "Source": "x"}}},
            "no host volume mysql on 2",
            "`host_volumes: {mysql: {path: /srv/mysql}}`",
        ),
        ("missing CSI Volume ebs-vol[0]", {}, "no CSI volume ebs-vol[0] on 2", "nomad volume create ebs-vol[0]"),
        ("${node.unique.name} = gone", {}, "constraint ${node.unique.name} = gone on 2", "change the machines"),
    ],
)
def test_what_no_machine_has_is_named_with_what_to_do(
    what: str, of_group: dict[str, Any], said: str, remedy: str
) -> None:
    why = constraint(what, **of_group)
    assert why.text == f"group web can't be placed on any of 2 nodes: {said}"
    assert remedy in why.remedy
    assert why.never


CLAIMED = "CSI volume db has exhausted its available writer claims"


@pytest.mark.parametrize(
    ("what", "remedy"),
    [
        (CLAIMED, "nomad volume status"),
        (f"{CLAIMED} and is claimed by a garbage collected allocation {NODE}; waiting for claim to be released",
         "nomad volume status"),
        ("CSI volume db is unschedulable or has exhausted its available reader claims", "nomad volume status"),
        ("CSI volume db is unschedulable or is read-only", "nomad volume status"),
        ("CSI volume lookup failed", "nomad volume status"),
        (f"CSI plugin ebs is missing from client {NODE}", "nomad plugin status"),
        (f"CSI plugin ebs is unhealthy on client {NODE}", "nomad plugin status"),
        (f"CSI plugin ebs has the maximum number of volumes on client {NODE}", "nomad plugin status"),
        ("did not meet topology requirement", ""),
        ("missing devices", "leave the device out of the job, or give a machine one"),
        ("missing secrets provider", ""),
        ("missing compatible host volumes", ""),
        ('missing property "${meta.rack}"', ""),
        ("linux = ${attr.kernel.name}", ""),
        ("what a later release of Nomad says", ""),
        ("constraint distinct_hosts", ""),
        ("constraint distinct_property: rack=r1 used by 2 allocs", ""),
        ("constraint ${attr.vault.version} semver >= 0.6.1", "hashistack status"),
        ("constraint ${attr.consul.version} semver >= 1.8.0", "hashistack status"),
        ("constraint ${attr.consul.grpc} > 0", "hashistack status"),
        ("constraint ${attr.driver.docker.version} version >= 20", "hashistack status"),
    ],
)  # fmt: skip
def test_what_may_be_otherwise_soon_or_is_not_known_is_no_reason_to_refuse(what: str, remedy: str) -> None:
    why = constraint(what.removeprefix("constraint "))
    assert why == Unplaced(f"group web can't be placed on any of 2 nodes: {what} on 2", remedy, never=False)


def test_a_network_that_a_machine_may_have_soon_is_no_reason_to_refuse() -> None:
    why = constraint("missing network", Networks=[{"Mode": "cni/own"}])
    assert (why.text.partition(": ")[2], why.never) == ("no network cni/own on 2", False)
    assert '"bridge" and "host"' in why.remedy
    why = constraint('missing host network "public" for port "http"')
    assert (why.text.partition(": ")[2], why.never) == ('missing host network "public" for port "http" on 2', False)
    assert "leave host_network out" in why.remedy


@pytest.mark.parametrize(
    ("there", "asked", "said", "never"),
    [
        (["mysql"], volume("mysql"), "no free host volume mysql", False),
        (["mysql[0]"], volume("mysql", PerAlloc=True), "no free host volume mysql", False),
        (["mysql[0]"], volume("mysql"), "no host volume mysql", True),
        (["mysql2"], volume("mysql", PerAlloc=True), "no host volume mysql", True),
    ],
)
def test_a_host_volume_that_another_job_holds_is_waited_for(
    there: list[str], asked: dict[str, Any], said: str, never: bool
) -> None:
    found = metric(ConstraintFiltered={"missing compatible host volumes": 2})
    why = unplaced({"web": found}, {"TaskGroups": [group("exec", **asked)]}, with_volumes(*there))
    assert (why.text.partition(": ")[2], why.never) == (f"{said} on 2", never)


def test_which_host_volumes_a_machine_has() -> None:
    listed = {
        "ID": "1", "Name": "workers-1", "NodePool": "default", "NodeClass": "workers", "Status": "ready",
        "Drain": False, "SchedulingEligibility": "eligible", "Drivers": None, "Datacenter": "dc1",
    }  # fmt: skip
    assert Node.parse({**listed, "HostVolumes": None}).host_volumes == frozenset()
    assert Node.parse({**listed, "HostVolumes": {"mysql": {"Path": "/srv"}}}).host_volumes == {"mysql"}


@pytest.mark.parametrize(
    ("filtered", "said", "never"),
    [
        ({META: 1, SAME: 3}, "constraint ${meta.dns} = true on 4", True),
        ({META: 1, "${node.class} = web": 1, SAME: 2},
         "constraint ${meta.dns} = true on at least 1, constraint ${node.class} = web on at least 1", True),
        ({META: 1, "missing compatible host volumes": 1, SAME: 2},
         "constraint ${meta.dns} = true on 3, missing compatible host volumes on 1", False),
        ({"distinct_hosts": 1, SAME: 3}, "constraint distinct_hosts on 1", False),
        ({SAME: 4}, "none fits", False),
    ],
)  # fmt: skip
def test_the_reason_of_the_first_machine_stands_for_those_that_are_like_it(
    filtered: dict[str, int], said: str, never: bool
) -> None:
    found = metric(4, 4, ConstraintFiltered=filtered, ClassFiltered={"workers": 4})
    why = unplaced({"web": found}, {"TaskGroups": [group("exec")]}, NODES)
    assert why.text == f"group web can't be placed on any of 4 nodes: {said}"
    assert why.never is never
    assert "computed class" not in why.text + why.remedy


def test_docker_that_is_ill_on_two_machines_that_are_alike_may_be_well_again() -> None:
    ill = tuple(replace(NODES[1], name=name) for name in ("workers-1", "workers-2"))
    found = metric(ConstraintFiltered={"missing drivers": 1, SAME: 1}, ClassFiltered={"workers": 2})
    why = unplaced({"web": found}, {"TaskGroups": [group("docker")]}, ill)
    assert (why.text.partition(": ")[2], why.remedy, why.never) == (
        "no driver docker (not detected) on 2", "hashistack status", False,
    )  # fmt: skip


def test_a_constraint_of_the_whole_job_is_told_with_its_first_group() -> None:
    job = {"Constraints": [{"LTarget": "x"}], "TaskGroups": [{**group("exec"), "Name": name} for name in ("a", "b")]}
    second = metric(ConstraintFiltered={META: 1, SAME: 1})  # of the machine that is alike, group a knows why
    why = unplaced({"b": second}, job, NODES)
    assert (why.text.partition(": ")[2], why.never) == ("constraint ${meta.dns} = true on at least 1", False)
    passing = metric(ConstraintFiltered={"${attr.consul.version} semver >= 1.8.0": 1, META: 1})
    assert not unplaced({"a": passing, "b": second}, job, NODES).never
    lasting = metric(ConstraintFiltered={META: 2})
    assert unplaced({"a": lasting, "b": metric(ConstraintFiltered={SAME: 2})}, job, NODES).never


@pytest.mark.parametrize(
    "other",
    [
        {"ConstraintFiltered": {META: 1, "missing drivers": 1}},
        {"ConstraintFiltered": {META: 1, "distinct_hosts": 1}},
        {"ConstraintFiltered": {META: 2}, "QuotaExhausted": ["small"]},
        {"ConstraintFiltered": {META: 1}, "NodesFiltered": 1, "DimensionExhausted": {"memory": 1}},
        {"ConstraintFiltered": {META: 1}, "NodesFiltered": 1},
    ],
)
def test_a_group_that_waits_for_one_machine_is_not_refused_for_what_another_one_is(other: dict[str, Any]) -> None:
    job = {"TaskGroups": [group("docker"), {**group("exec"), "Name": "full"}]}
    assert not unplaced({"web": {**metric(), **other}}, job, NODES[1:]).never
    lasting, full = metric(ConstraintFiltered={META: 2}), metric(filtered=0, DimensionExhausted={"memory": 2})
    assert unplaced({"web": lasting, "full": full}, job, NODES).never  # no machine ever takes this group


@pytest.mark.parametrize(
    ("found", "said", "remedy"),
    [
        (metric(filtered=0, DimensionExhausted={"memory": 2}), "too little memory on 2", "ask for less"),
        (
            metric(filtered=0, DimensionExhausted={"network: reserved port collision http=8080": 2}),
            "port http=8080 is taken on 2",
            "a machine has each port once",
        ),
        (metric(QuotaExhausted=["small"]), "quota small is used up", ""),
        (metric(), "none fits", ""),
        (metric(ClassFiltered={"workers": 2}), "node class workers on 2", ""),
        (
            metric(filtered=1, ConstraintFiltered={"${meta.a} = b": 1}, DimensionExhausted={"cpu": 1}),
            "constraint ${meta.a} = b on 1, too little cpu on 1",
            "ask for less",
        ),
    ],
)
def test_what_is_full_may_have_room_later(found: dict[str, Any], said: str, remedy: str) -> None:
    why = unplaced({"web": found}, {"TaskGroups": [group("exec")]}, NODES)
    assert why.text == f"group web can't be placed on any of 2 nodes: {said}"
    assert remedy in why.remedy
    assert not why.never


@pytest.mark.parametrize(
    ("job", "said", "remedy", "never"),
    [
        (
            {"Datacenters": ["aws-*", "hetzner"]},
            "it asks for datacenters aws-*, hetzner, and this is datacenter dc1",
            'datacenters = ["dc1"]',
            True,
        ),
        ({"NodePool": "gpu"}, "no machine is in node pool gpu", "`node_pool: gpu`", True),
        (
            {"Datacenters": ["dc*"]},
            "node pool default has no ready machine in its datacenters",
            "hashistack status",
            False,
        ),
        ({"NodePool": "all"}, "node pool all has no ready machine in its datacenters", "hashistack status", False),
    ],
)
def test_a_job_for_machines_that_are_not_there(job: dict[str, Any], said: str, remedy: str, never: bool) -> None:
    pool = job.get("NodePool", "default")
    why = unplaced({"web": {"NodesEvaluated": 0, "NodePool": pool}}, {"TaskGroups": [group("exec")], **job}, NODES)
    assert why.text == f"group web can't be placed: {said}"
    assert remedy in why.remedy
    assert why.never is never


def test_each_group_is_told_and_each_remedy_once() -> None:
    missing = metric(ConstraintFiltered={"missing drivers": 2})
    job = {"TaskGroups": [{**group("java"), "Name": "a"}, {**group("java"), "Name": "b"}]}
    why = unplaced({"b": missing, "a": missing}, job, NODES)
    assert why.text == (
        "group a can't be placed on any of 2 nodes: no driver java on 2; "
        "group b can't be placed on any of 2 nodes: no driver java on 2"
    )
    assert why.remedy == "add java to `drivers` of a pool of clients"
