"""Condensing the engine's event log: one recorded from a real `pulumi up` of the test cluster, and small ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hashistack.cli.events import Condenser, Line, clean
from hashistack.local.operations import LocalOperations

READY = LocalOperations.ready
RECORDED = Path(__file__).with_name("up.events.jsonl")


def fed(condenser: Condenser, events: Iterable[Mapping[str, Any]]) -> list[Line]:
    return [line for i, event in enumerate(events) for line in condenser.feed(event, float(i))]


def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDED.read_text().splitlines()]


def test_a_whole_up_is_at_most_ten_lines_in_the_order_of_things() -> None:
    condenser = Condenser()
    done = [line for line in fed(condenser, recorded()) if line.kind == "done"]
    assert len(done) <= 10
    assert [line.text for line in done[:3]] == ["image, tools, network", "keys and certificates", "5 machines"]
    assert done[-1].text == ("a job that reads a Vault secret answers under its .consul name: answered on workers-1")
    assert [line.seconds for line in done[2:]] == sorted(line.seconds for line in done[2:])
    assert condenser.changes == {"create": 11}
    assert condenser.result == "succeeded"
    assert condenser.errors == []


def test_a_sentence_loses_the_seconds_of_its_own_wait() -> None:
    texts = [line.text for line in fed(Condenser(), recorded())]
    assert "3 Nomad servers agree on a leader: 3/3 voters, leader server-1" in texts
    assert not any("s)" in text[-4:] for text in texts)


def test_what_is_going_on_is_always_known() -> None:
    condenser = Condenser()
    assert condenser.current == "starting"
    for event in recorded():
        list(condenser.feed(event, 1.0))
        assert condenser.current
        if "summaryEvent" not in event and condenser.current.startswith("waiting"):
            break
    else:
        raise AssertionError("the recorded log waits for a leader somewhere")


def test_debug_events_are_never_shown_for_they_hold_secrets() -> None:
    said = {"message": "outputs prepared: BEGIN PRIVATE KEY", "severity": "debug", "urn": f"urn::{READY}::x"}
    assert fed(Condenser(), [{"diagnosticEvent": said}]) == []


def test_errors_are_kept_once_and_clean() -> None:
    message = "<{%reset%}>error: not ready after 180 s\nserver-1: vault is sealed<{%reset%}>\n"
    errors = [{"diagnosticEvent": {"message": message, "severity": "error"}}] * 2
    update = {"diagnosticEvent": {"message": "update failed", "severity": "error"}}
    condenser = Condenser()
    assert fed(condenser, [*errors, update]) == []
    assert condenser.errors == ["not ready after 180 s\nserver-1: vault is sealed"]


def test_warnings_are_shown_when_they_come() -> None:
    said = {"message": "nomad 1.10.5 gets no more fixes", "severity": "warning", "urn": "urn::x"}
    (line,) = fed(Condenser(), [{"diagnosticEvent": said}])
    assert (line.kind, line.text) == ("warning", "nomad 1.10.5 gets no more fixes")


def test_an_up_that_changes_nothing_makes_no_line() -> None:
    same = {"op": "same", "urn": "urn:x::a", "type": "hashistack:index:LocalImage", "new": {"custom": True}}
    ready = {"op": "same", "urn": "urn:x::r", "type": READY, "new": {"custom": True}}
    events = [{kind: {"metadata": step}} for step in (same, ready) for kind in ("resourcePreEvent", "resOutputsEvent")]
    condenser = Condenser()
    assert fed(condenser, [*events, {"summaryEvent": {"resourceChanges": {"same": 2}}}]) == []
    assert condenser.changes == {}


def test_destroying_counts_what_went() -> None:
    step = {"op": "delete", "urn": "urn:x::p", "type": "hashistack:index:LocalServerPool"}
    step |= {"old": {"custom": True, "outputs": {"count": 3}}, "new": None}
    events = [{"resourcePreEvent": {"metadata": step}}, {"resOutputsEvent": {"metadata": step}}]
    lines = fed(Condenser(destroying=True), [*events, {"summaryEvent": {"resourceChanges": {"delete": 1}}}])
    assert lines[0].text == "removing p"
    assert [line.text for line in lines if line.kind == "done"] == ["3 machines removed"]


def test_colours_go() -> None:
    assert clean("\x1b[31merror: no\x1b[0m <{%fg 1%}>x<{%reset%}>") == "no x"
