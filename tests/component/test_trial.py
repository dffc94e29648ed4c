"""The report of a smoke run: what counts as held, what is told of it, and what never is."""

from __future__ import annotations

import json

import pytest

from hashistack.component.findings import Finding
from hashistack.component.trial import Report, Timeline

GOOD = Finding("it boots", True, "12 s at its launch hook", "would be given work")


def report(*findings: Finding, timeline: Timeline | None = None) -> Report:
    return Report({"region": "eu-central-1"}, timeline or Timeline(), findings)


def test_a_state_is_told_when_it_changes() -> None:
    seen = Timeline()
    for at, state in enumerate(["Pending:Wait", "Pending:Wait", "InService", "InService"]):
        seen.state(float(at), "group", "i-1", state)
    assert [(one.at, one.what) for one in seen.events] == [(0.0, "i-1 Pending:Wait"), (2.0, "i-1 InService")]
    assert seen.now("group", "i-1") == "InService"
    assert (seen.first("group", "i-1 InService"), seen.first("group", "i-1 InService", after=3.0)) == (2.0, None)


@pytest.mark.parametrize(
    ("ok", "held", "told"),
    [
        (True, True, "- held: x: y\n"),
        (False, False, "- **did not hold**: x: y. leases lose names\n"),
        (None, False, "- **not known**: x: y. leases lose names\n"),
    ],
)
def test_what_is_not_known_did_not_hold(ok: bool | None, held: bool, told: str) -> None:
    made = report(GOOD, Finding("x", ok, "y", "leases lose names"))
    assert made.held is held
    assert told in made.markdown()
    assert ("All of it held." in made.markdown()) is held


def test_nothing_looked_at_is_nothing_held() -> None:
    assert not report().held


def test_no_number_of_an_account_is_in_it() -> None:
    seen = Timeline()
    seen.note(5.0, "EC2", "arn:aws:ec2:eu-central-1:123456789012:instance/i-0123456789abcdef0 is gone")
    bad = Finding("nothing is left", False, "role arn:aws:iam::123456789012:role/x", "ask 123456789012")
    made = report(bad, timeline=seen)
    said = made.markdown() + json.dumps(made.data())
    assert "123456789012" not in said
    assert "i-0123456789abcdef0" in said


def test_the_timeline_is_in_order_from_the_first_look() -> None:
    seen = Timeline()
    seen.note(107.4, "machine", "i-1 well")
    seen.note(100.0, "EC2", "i-1 a|b")
    made = report(GOOD, timeline=seen)
    assert [one["second"] for one in made.data()["timeline"]] == [0, 7]
    assert "| 0 | EC2 | i-1 a\\|b |\n| 7 | machine | i-1 well |\n" in made.markdown()
