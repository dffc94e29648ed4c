"""What is told of a job while it is watched, and which jobs are refused before they are registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from hashistack.jobs.deploy import JobUnplaceable, refuse_unplaceable, watch
from hashistack.ops.api.allocations import Allocation
from hashistack.ops.api.connection import Pool
from hashistack.ops.api.deployments import Deployment
from hashistack.ops.api.nodes import Node
from hashistack.ops.api.placement import Unplaced

FULL = Unplaced("group web can't be placed on any of 2 nodes: too little memory on 2", "ask for less")
NEVER = Unplaced("group web can't be placed on any of 2 nodes: no driver java on 2", "add java to `drivers`", True)


def allocation(id: str, status: str, *events: str) -> Allocation:
    return Allocation(id, "web-1", status, 0, None, frozenset(), {"main": events}, "web.web[0]")


class Nomad:
    """What the calls of `watch` answer; each listing of the allocations is the next one, the last one stays."""

    namespace = "default"

    def __init__(self, listed: Sequence[Sequence[Allocation]], status: str, blocked: Unplaced | None = None) -> None:
        self._listed, self._status, self._blocked = list(listed), status, blocked

    def job(self, id: str) -> dict[str, Any]:
        return {"ID": id, "Type": "service", "TaskGroups": [{"Count": 1, "Update": {"MaxParallel": 1}}]}

    def allocations(self, id: str, index: int = 0, hold: float = 0.0) -> tuple[tuple[Allocation, ...], int]:
        return tuple(self._listed.pop(0) if len(self._listed) > 1 else self._listed[0]), 1

    def deployment(self, id: str) -> Deployment:
        return Deployment(status=self._status, description="Failed", job_version=0, id="12345678-9", wanted=1)

    def blocked(self, id: str) -> Unplaced | None:
        return self._blocked

    def stderr(self, id: str, task: str, characters: int = 400, kind: str = "stderr") -> str:
        return ""


def watched(nomad: Nomad, heard: list[tuple[str, str]] | None = None, **more: Any) -> tuple[bool | None, str, str]:
    looks = [] if heard is None else heard
    ended = watch(
        nomad,  # type: ignore[arg-type]
        "web", 0, (), lambda now, story: looks.append((now.text, now.remedy)), Event(), **more,
    )  # fmt: skip
    return ended.well, ended.text, ended.remedy


PULL = "Failed to pull `redis:7`: no such host"


@pytest.mark.parametrize(
    "listed",
    [
        [[allocation("1", "pending")], [allocation("1", "failed", PULL)]],
        [[allocation("2", "pending"), allocation("1", "failed", PULL)]],
    ],
    ids=["failed since the look", "has a successor"],
)
def test_a_deployment_that_failed_says_why(listed: list[list[Allocation]]) -> None:
    well, text, _ = watched(Nomad(listed, "failed"))
    assert well is False
    assert text.startswith(f"Failed\nweb.web[0] on web-1: task main: {PULL}. Next: see that the machines reach")


def test_what_waits_for_room_says_what_to_do_while_it_waits_and_at_the_end() -> None:
    heard: list[tuple[str, str]] = []
    nomad = Nomad([[]], "running", FULL)
    assert watched(nomad, heard, unplaced_seconds=0.01) == (False, FULL.text, FULL.remedy)
    assert set(heard) <= {(FULL.text, FULL.remedy)}


class Machines:
    """What `Nomad.nodes` answers for each pool."""

    def __init__(self, **pools: list[Node]) -> None:
        self._pools = pools

    def nodes(self, pool: str = "") -> list[Node]:
        return self._pools[pool]


READY = Node("1", "web-1", "default", "web", "ready", True, False)
LATE = [replace(READY, status="down"), replace(READY, eligible=False), replace(READY, draining=True)]


def judged(unplaced: Unplaced | None, declared: dict[str, int], past: str = "", **there: list[Node]) -> str:
    pools = [Pool("server", "server", 3), *(Pool(name, "client", count) for name, count in declared.items())]
    return refuse_unplaceable(Machines(**there), {"ID": "web"}, unplaced, pools, past)  # type: ignore[arg-type]


def test_only_what_waiting_does_not_help_is_refused() -> None:
    assert judged(None, {"web": 1}) == judged(FULL, {"web": 1}) == ""
    for past, remedy in (("", NEVER.remedy), ("--yes", f"{NEVER.remedy}; or --yes")):
        with pytest.raises(JobUnplaceable) as caught:
            judged(NEVER, {"web": 1, "db": 2}, past, web=[READY], db=[READY, READY, *LATE])
        assert (caught.value.what, caught.value.remedy) == (f"job web: {NEVER.text}", remedy)


@pytest.mark.parametrize("late", LATE, ids=["down", "ineligible", "draining"])
def test_what_a_machine_may_take_that_is_not_ready_waits_for_it_and_says_so(late: Node) -> None:
    told = judged(NEVER, {"web": 1, "db": 2}, web=[READY, READY], db=[READY, late])
    assert told == f"{NEVER.text}. It waits for a machine that may come: pool db has 1 of 2 machines ready"
    told = judged(NEVER, {"web": 1, "gpu": 0}, web=[READY], gpu=[])
    assert told.endswith("that may come: pool gpu has no machine yet")
    with pytest.raises(JobUnplaceable):
        judged(NEVER, {"web": 1, "gpu": 0}, web=[READY], gpu=[READY])
