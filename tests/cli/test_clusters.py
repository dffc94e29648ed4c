"""`hashistack list`: what can be seen from here, of every platform."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hashistack import platforms
from hashistack.cli import main
from hashistack.cli.commands.clusters import spoken, state, table
from hashistack.platforms import PlatformOperations, Running

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SHOP = Running(
    *("shop-1f2e", "shop", Path("/home/me/shop"), "test", 5, 5),
    created="2026-12-01T09:30:00+00:00",
    expires="2026-12-01T14:00:00+00:00",
    owner="me",
)
OLD = Running("old-77aa", "old", Path("/gone"), "dev", 5, 0, expires="2026-11-30T12:00:00+00:00")
LEFT = Running("left-0001", "left", Path(), "", created="yesterday")


class Pond(PlatformOperations):
    extra = "pond"
    component = "hashistack:index:Pond"

    def running(self) -> Sequence[Running]:
        return [SHOP, OLD, LEFT]


class Missing(PlatformOperations):
    extra = "missing"
    component = "hashistack:index:Missing"

    def running(self) -> Sequence[Running]:
        raise ModuleNotFoundError("no sdk", name="sdk")


@pytest.fixture(autouse=True)
def pond(monkeypatch: pytest.MonkeyPatch) -> None:
    only = {"missing": f"{__name__}:Missing", "pond": f"{__name__}:Pond"}
    monkeypatch.setattr(platforms, "PLATFORMS", only)


def test_a_line_for_each_with_its_platform_and_age() -> None:
    assert [line.split() for line in table(platforms.seen(), NOW).splitlines()] == [
        ["CLUSTER", "PLATFORM", "STATE", "MACHINES", "AGE", "EXPIRES", "OWNER", "STACK", "PROJECT"],
        ["shop-1f2e", "pond", "running", "5/5", "2", "h", "in", "2", "h", "me", "test", "/home/me/shop"],
        ["old-77aa", "pond", "stopped", "0/5", "-", "expired", "-", "dev", "/gone"],
        ["left-0001", "pond", "remains", "0/0", "0", "min", "-", "-", "."],
    ]


def test_for_programs_an_object_a_line() -> None:
    lines = CliRunner().invoke(main.app, ["list", "-o", "json"]).output.splitlines()
    first, *others = map(json.loads, lines)
    assert first == {
        "site": "shop-1f2e",
        "name": "shop",
        "project": "/home/me/shop",
        "stack": "test",
        "platform": "pond",
        "machines": 5,
        "up": 5,
        "state": "running",
        "owner": "me",
        "run": "",
        "created": "2026-12-01T09:30:00+00:00",
        "expires": "2026-12-01T14:00:00+00:00",
    }
    assert [one["state"] for one in others] == ["stopped", "remains"]


def test_what_is_only_left_is_no_cluster_for_other_commands() -> None:
    assert [one.site for one in platforms.running()] == ["shop-1f2e", "old-77aa"]


def test_none_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pond, "running", lambda self: [])
    done = CliRunner().invoke(main.app, ["list"])
    assert (done.exit_code, done.output.startswith("no cluster here. Next: hashistack init")) == (0, True)
    assert CliRunner().invoke(main.app, ["list", "-o", "json"]).output == ""


def test_states_and_times_in_words() -> None:
    assert state(Running("a", "a", Path(), "", 3, 2)) == "partly stopped"
    assert [spoken(seconds) for seconds in (30, 3_599, 3_600, 86_399, 172_800)] == [
        *("0 min", "59 min", "1 h", "23 h", "2 d"),
    ]
