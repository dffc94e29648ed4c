"""Why a job has no place, in words, with what to do about it."""

from __future__ import annotations

from typing import Any

import pytest

from hashistack.ops.api.evaluations import failed
from hashistack.ops.api.nodes import Node
from hashistack.ops.api.placement import Unplaced, unplaced

NODES = tuple(
    Node(name, name, "default", "workers", "ready", True, False, {"exec": "", "docker": fault}, "dc1")
    for name, fault in (("workers-1", ""), ("workers-2", "not detected"))
)


def metric(evaluated: int = 2, filtered: int = 2, **more: Any) -> dict[str, Any]:
    return {"NodesEvaluated": evaluated, "NodesFiltered": filtered, "NodePool": "default", **more}


def group(*drivers: str, **more: Any) -> dict[str, Any]:
    return {"Name": "web", "Tasks": [{"Name": driver, "Driver": driver} for driver in drivers], **more}


def constraint(what: str, **of_group: Any) -> Unplaced:
    return unplaced({"web": metric(ConstraintFiltered={what: 2})}, {"TaskGroups": [group("exec", **of_group)]}, NODES)


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
            "upstreams in place of transparent_proxy",
        ),
        ("${attr.cpu.arch} = arm64", {}, "constraint ${attr.cpu.arch} = arm64 on 2", "change the machines"),
        (
            "missing compatible host volumes",
            {"Volumes": {"data": {"Type": "host", "Source": "mysql"}, "other": {"Type": "csi", "Source": "x"}}},
            "no host volume mysql on 2",
            "`host_volumes: {mysql: {path: /srv/mysql}}`",
        ),
        ("missing CSI Volume ebs-vol[0]", {}, "no CSI volume ebs-vol[0] on 2", "nomad volume create ebs-vol[0]"),
        ("missing network", {"Networks": [{"Mode": "cni/own"}]}, "no network cni/own on 2", '"bridge" and "host"'),
        ('missing host network "public" for port "http"', {},
         'missing host network "public" for port "http" on 2', "leave host_network out"),
    ],
)  # fmt: skip
def test_what_no_machine_has_is_named_with_what_to_do(
    what: str, of_group: dict[str, Any], said: str, remedy: str
) -> None:
    why = constraint(what, **of_group)
    assert why.text == f"group web can't be placed on any of 2 nodes: {said}"
    assert remedy in why.remedy
    assert why.never


def test_what_a_second_allocation_is_in_the_way_of_is_no_reason_to_refuse() -> None:
    assert not constraint("distinct_hosts").never


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
