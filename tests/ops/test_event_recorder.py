"""What a rollout tells: each thing once, in the order in which it was seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hashistack.ops.api.raft import Peer, Raft
from hashistack.ops.rollout.event_recorder import EventRecorder
from hashistack.ops.rollout.events import Event, LeaderEvent, MachineEvent, RolloutEvent, StepEvent
from hashistack.ops.rollout.fleet import Fleet, Machine, Pool
from hashistack.ops.rollout.observer import Observation
from hashistack.ops.rollout.plan import plan
from hashistack.ops.rollout.steps import Await, Grow

SERVER = Machine("server-1", "b2")
CLIENT = Machine("web-1", "b1", work=1)


def seen(*machines: Machine, leader: str = "server-1") -> Observation:
    servers = tuple(machine for machine in machines if machine.name.startswith("server"))
    clients = tuple(machine for machine in machines if machine.name.startswith("web"))
    pools = (Pool("server", "server", 1, "b2", machines=servers), Pool("web", "client", 1, "b2", machines=clients))
    return Observation(Fleet(pools), rafts={"nomad": Raft((Peer(leader, True, True),))})


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def recorder(told: list[Event]) -> EventRecorder:
    return EventRecorder(told.append)


def lives(told: list[Event]) -> list[tuple[str, str]]:
    return [(event.machine, event.state) for event in told if isinstance(event, MachineEvent)]


def test_a_machine_is_told_when_its_life_changes_and_once_when_it_is_gone(
    recorder: EventRecorder, told: list[Event]
) -> None:
    for client in (CLIENT, CLIENT, replace(CLIENT, draining=True), replace(CLIENT, state="leaving")):
        recorder.fleet(seen(SERVER, client))
    recorder.fleet(seen(SERVER, replace(CLIENT, state="terminated")))
    recorder.fleet(seen(SERVER))
    assert lives(told) == [
        ("server-1", "voter"),
        ("web-1", "healthy"),
        ("web-1", "draining"),
        ("web-1", "leaving"),
        ("web-1", "gone"),
    ]
    assert recorder.gone == 1


def test_leadership_is_told_when_it_moves(recorder: EventRecorder, told: list[Event]) -> None:
    for leader in ("server-1", "server-1", "", "server-2"):
        recorder.fleet(seen(SERVER, leader=leader))
    assert [event.machine for event in told if isinstance(event, LeaderEvent)] == ["server-1", "server-2"]


def test_a_step_ends_when_it_is_wanted_no_more(recorder: EventRecorder, told: list[Event]) -> None:
    grow, wait = Grow("web", 1, "one is missing"), Await("web", ("web-2",), "it boots")
    recorder.steps([grow])
    recorder.steps([wait])
    recorder.steps([wait])
    recorder.failed("nobody knows")
    assert [(event.text, event.state) for event in told if isinstance(event, StepEvent)] == [
        (str(grow), "begun"),
        (str(grow), "done"),
        (str(wait), "begun"),
        (str(wait), "failed"),
    ]


def test_jobs_that_notice_are_named_before_anything_starts(recorder: EventRecorder, told: list[Event]) -> None:
    now = seen(SERVER, CLIENT)
    recorder.begin("shop", now, plan(now.fleet), ["default/api.api"])
    (event,) = told
    assert isinstance(event, RolloutEvent)
    assert event.changes[0].startswith("web: 1 of 1 outdated")
    assert event.changes[1].endswith("default/api.api")
    assert event.bundles == {"server": "b2", "web": "b2"}
