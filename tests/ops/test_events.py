"""Events and samples as lines of JSON: what is taken, what is refused and how, and sums over samples."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hashistack.ops.report import samples
from hashistack.ops.report.samples import Sample, Second, percentile, stretches, totals
from hashistack.ops.rollout.events import (
    Event,
    EventInvalid,
    LeaderEvent,
    MachineEvent,
    NoticeEvent,
    ResultEvent,
    RolloutEvent,
    StepEvent,
    parse,
    read,
)

EVENTS: list[Event] = [
    RolloutEvent(1.0, "shop", ("Nomad 1.10.5 to 1.11.3",), {"server": "abc"}),
    MachineEvent(1.5, "server-4", "server", "booting", "abc"),
    StepEvent(2.0, "server: start server-4", "done", 12.3),
    LeaderEvent(3.0, "vault", "server-4"),
    NoticeEvent(3.5, "default/web was broken before"),
    ResultEvent(4.0, True, "done", 3.0, 1),
]


def test_events_survive_the_way_through_json() -> None:
    assert read(json.dumps(event.as_json()) for event in EVENTS) == EVENTS


def test_the_form_is_the_documented_one() -> None:
    assert EVENTS[1].as_json() == {
        "event": "machine",
        "at": 1.5,
        "machine": "server-4",
        "pool": "server",
        "state": "booting",
        "bundle": "abc",
    }
    assert parse({"event": "result", "at": 4, "ok": True, "text": "done", "seconds": 3, "replaced": 1}) == EVENTS[-1]


def test_other_events_empty_lines_and_what_a_killed_writer_left_are_passed_over() -> None:
    good = json.dumps(EVENTS[1].as_json())
    assert read([good, '{"event": "now", "text": "…"}', "", '{"event": "mach', good[:-5]]) == [EVENTS[1]]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([1], "an event is a JSON object, not list"),
        ({"event": "leader", "at": 1, "product": "nomad"}, "event leader: machine is missing"),
        ({"event": "leader", "at": "1", "product": "nomad", "machine": "x"}, "at is '1'; it should be a number"),
        ({"event": "leader", "at": 1, "product": "etcd", "machine": "x"}, "'etcd'; it can be nomad, consul, vault"),
        ({"event": "result", "at": 1, "ok": 1, "text": "", "seconds": 1}, "ok is 1; it should be true or false"),
        ({"event": "step", "at": True, "text": "x", "state": "done"}, "at is True; it should be a number"),
        ({"event": "rollout", "at": 1, "cluster": "x", "changes": "y"}, "changes is 'y'; it should be a list"),
        ({"event": "rollout", "at": 1, "cluster": "x", "bundles": ["y"]}, "bundles is ['y']; it should be an object"),
        ({"event": "rollout", "at": 1, "cluster": "x", "bundles": {"y": 1}}, "bundles is 1; it should be a text"),
        ({"event": "rollout", "at": 1, "cluster": "x", "changes": [2]}, "changes is 2; it should be a text"),
    ],
)
def test_what_is_no_event_is_refused_with_its_place(data: Any, said: str) -> None:
    with pytest.raises(EventInvalid) as caught:
        read(["", json.dumps(data)], "roll.ndjson")
    assert str(caught.value).startswith("roll.ndjson, line 2: ")
    assert said in str(caught.value)


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(EventInvalid, match=r"x, line 1 is not JSON; it should be one JSON object a line"):
        read(["#!/bin/sh"], "x")


def test_a_sample_calls_its_sender_from() -> None:
    sample = Sample(5.0, "workers-1", 3, 1, 2.0, 3.0, ("connect: refused",), (2.0, 3.0))
    assert sample.as_json()["from"] == "workers-1"
    assert samples.read([json.dumps(sample.as_json())]) == [sample]
    with pytest.raises(EventInvalid, match="samples, line 1: sender is missing"):
        samples.read([json.dumps({"at": 1, "requests": 1, "failed": 0, "p50_ms": 1, "p99_ms": 1})])


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(share: float, value: int) -> None:
    assert percentile(range(1, 101), share) == value
    assert percentile([], share) is None


def test_totals_come_from_every_requests_latency_where_they_are_there() -> None:
    seen = [
        Sample(10.0, "a", 100, 0, 1.0, 1.0, latencies_ms=(1.0,) * 100),
        Sample(10.0, "b", 60, 0, 1.0, 1.0, latencies_ms=(1.0,) * 60),
        Sample(11.0, "a", 100, 2, 1.0, 9.0, ("x", "y"), (1.0,) * 97 + (9.0,)),
        Sample(12.0, "a", 3, 1, 1.0, 1.0, ("x",), (1.0, 1.0)),
    ]
    total = totals(seen)
    assert (total.requests, total.failed, total.exact, total.lowest) == (263, 3, True, 100)
    # One of 260 took 9 ms: the worst second's p99 says 9, that of all of them 1.
    assert (total.p50_ms, total.p99_ms) == (1.0, 1.0)
    assert total.errors == (("x", 2), ("y", 1))
    assert stretches(seen)[1] == Second(11, 100, 2, 1.0, 9.0)
    assert [(s.at, s.requests) for s in stretches(seen, 2)] == [(10, 260), (12, 3)]


def test_without_them_the_highest_p99_is_a_bound() -> None:
    total = totals(
        [Sample(1.0, "a", 10, 0, 1.0, 2.0), Sample(2.0, "a", 10, 10, 0.0, 0.0), Sample(3.0, "a", 5, 0, 2, 7)]
    )
    assert (total.p99_ms, total.exact) == (7, False)


def test_a_second_in_which_nobody_asked_is_the_lowest() -> None:
    assert totals([Sample(at, "a", 10, 0, 1.0, 1.0) for at in (1.0, 2.0, 4.0, 5.0)]).lowest == 0
    assert totals([]).requests == 0
