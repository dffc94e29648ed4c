"""Regional groups live as Google says: machines come, are held while they stop, and are made anew."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from hashistack.gcp.ops.session import Google, GoogleFailed

from .api import Apis
from .compute import NOTICE_SECONDS, PROJECT, REGION, ZONES, Compute, Vm

GROUP = "web-group"
MANAGERS = "compute.regionInstanceGroupManagers"


class World:
    def __init__(self, spot: bool = False) -> None:
        self.now = 0.0
        self.compute = Compute(looks=False, clock=lambda: self.now)
        self.google = Google(Apis({"compute": self.compute}).http)
        self.template("t-1", spot)
        document = {
            "name": GROUP,
            "baseInstanceName": "prod-1a2b-web",
            "targetSize": 3,
            "versions": [{"instanceTemplate": "projects/x-project/global/instanceTemplates/t-1"}],
            "updatePolicy": {"type": "OPPORTUNISTIC"},
            "instanceLifecyclePolicy": {"defaultActionOnFailure": "REPAIR", "forceUpdateOnRepair": "YES"},
        }
        self.order(f"{MANAGERS}.insert", body=document)

    def template(self, name: str, spot: bool = False) -> None:
        scheduling = {
            "provisioningModel": "SPOT" if spot else "STANDARD",
            "gracefulShutdown": {"enabled": True, "maxDuration": {"seconds": "3600"}},
        }
        properties = {"labels": {"web": "yes"}, "scheduling": scheduling}
        body = {"name": name, "properties": properties}
        self.google.ask("compute.instanceTemplates.insert", project=PROJECT, body=body)

    def order(self, method: str, group: str = "", **given: Any) -> None:
        where = {"project": PROJECT, "region": REGION, **({"instanceGroupManager": group} if group else {})}
        operation = self.google.ask(method, **where, requestId=str(uuid4()), **given)
        done = self.google.ask(
            "compute.regionOperations.wait", project=PROJECT, region=REGION, operation=operation["name"]
        )
        assert done["status"] == "DONE"

    def steps(self, count: int = 4) -> list[Vm]:
        for _ in range(count):
            self.compute.settle()
        return list(self.compute.vms)

    def delete(self, vm: Vm, **more: bool) -> None:
        self.order(
            f"{MANAGERS}.deleteInstances", GROUP, body={"instances": [f"zones/{vm.zone}/instances/{vm.name}"]}, **more
        )


def statuses(vms: list[Vm]) -> list[str]:
    return sorted(vm.status for vm in vms)


def test_a_group_makes_its_machines_over_the_zones() -> None:
    world = World()
    assert world.compute.vms == []
    assert statuses(world.steps(2)) == ["PROVISIONING"] * 3
    found = world.steps()
    assert statuses(found) == ["RUNNING"] * 3
    assert {vm.zone for vm in found} == set(ZONES)
    assert len({vm.ip for vm in found}) == len({vm.id for vm in found}) == 3
    assert all(vm.name.startswith("prod-1a2b-web-") for vm in found)


def test_a_machine_that_is_to_go_runs_on_until_it_ends_itself() -> None:
    world = World()
    first, *_ = world.steps()
    world.delete(first)
    world.now = 3599
    assert statuses(world.steps()) == ["PENDING_STOP", "RUNNING", "RUNNING"]
    world.compute.ended(first)
    assert statuses(world.steps()) == ["RUNNING", "RUNNING"]


def test_its_time_has_an_end() -> None:
    world = World()
    first, *_ = world.steps()
    world.delete(first)
    world.now = 3600
    assert statuses(world.steps()) == ["RUNNING", "RUNNING"]


def test_without_grace_it_goes_at_once() -> None:
    world = World()
    first, *_ = world.steps()
    world.delete(first)
    with pytest.raises(GoogleFailed, match="is no member"):
        world.delete(first, noGracefulShutdown=True)
    second = world.compute.vms[1]
    world.delete(second, noGracefulShutdown=True)
    assert statuses(world.steps()) == ["PENDING_STOP", "RUNNING"]


def test_a_smaller_size_holds_machines_in_the_same_way() -> None:
    world = World()
    world.steps()
    world.order(f"{MANAGERS}.resize", GROUP, size=1)
    assert statuses(world.steps()) == ["PENDING_STOP", "PENDING_STOP", "RUNNING"]


def test_what_stops_by_itself_is_made_anew_under_its_name() -> None:
    world = World()
    first, *others = world.steps()
    world.template("t-2")
    change = {"versions": [{"instanceTemplate": "projects/x-project/global/instanceTemplates/t-2"}]}
    world.order(f"{MANAGERS}.patch", GROUP, body=change)
    world.compute.ended(first)
    found = world.steps()
    (again,) = [vm for vm in found if vm not in others]
    assert (again.name, again.zone, again.template.name) == (first.name, first.zone, "t-2")
    assert again.id != first.id
    assert {vm.template.name for vm in others} == {"t-1"}, "a new template changes no machine that runs"


def test_a_preempted_machine_has_its_notice_and_no_grace() -> None:
    world = World(spot=True)
    first, *_ = world.steps()
    world.compute.preempt(first)
    world.now = NOTICE_SECONDS - 1
    assert statuses(world.steps()) == ["RUNNING"] * 3
    world.now = NOTICE_SECONDS
    found = world.steps(6)
    assert statuses(found) == ["RUNNING"] * 3
    assert first not in found


def test_a_deleted_group_takes_its_machines_with_it() -> None:
    world = World()
    for vm in world.steps():
        vm.status = "RUNNING"
    world.order(f"{MANAGERS}.delete", GROUP)
    assert statuses(world.steps()) == ["PENDING_STOP"] * 3
    world.now = 3600
    assert world.steps() == []


def test_a_template_in_use_is_not_deleted() -> None:
    world = World()
    with pytest.raises(GoogleFailed, match="in use"):
        world.google.ask("compute.instanceTemplates.delete", project=PROJECT, instanceTemplate="t-1")
