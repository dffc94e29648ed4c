"""`hashistack upgrade` over more than one hop: what it declares and rolls, in which order."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hashistack.cli import stopped
from hashistack.cli.commands import rollout as commands
from hashistack.cli.errors import Refusal
from hashistack.cli.output import Output, Show
from hashistack.ops.api.http import ApiError
from hashistack.ops.rollout.breaking_changes import Affected, affected, ahead
from hashistack.ops.rollout.breaking_changes import Inventory as Inventoried


class Stack:
    """A stack that takes its versions from its configuration, and machines that a roll brings to what is declared."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
        self.outputs, self.configuration, self.machines = dict(versions), dict(versions), dict(versions)
        self.did: list[str] = []
        self.there = Inventoried()
        monkeypatch.setattr(commands, "Cluster", nullcontext)
        monkeypatch.setattr(commands, "reached", nullcontext)
        monkeypatch.setattr(stopped, "stopped", lambda connection: ((), False))
        monkeypatch.setattr(commands, "look_ahead", self.look_ahead)
        monkeypatch.setattr(commands, "Engine", lambda project, say: self)
        monkeypatch.setattr(commands, "up", lambda project, show: self.up())
        monkeypatch.setattr(commands, "rollout", self.rollout)
        monkeypatch.setattr(commands, "driver", lambda connection: self)

    def connection(self) -> Any:
        pools = (SimpleNamespace(name="server", bundle=str(self.outputs)),)
        return SimpleNamespace(name="shop-1f", versions=dict(self.outputs), pools=pools)

    def look_ahead(self, cluster: Any, connection: Any, to: dict[str, str]) -> list[Affected]:
        return affected(ahead(connection.versions, to), self.there)

    def instances(self) -> tuple[Any, ...]:
        return (SimpleNamespace(pool="server", bundle=str(self.machines)),)

    def configure(self, path: str, value: str) -> None:
        self.configuration[path.rpartition(".")[2]] = value

    def up(self) -> None:
        self.outputs = dict(self.configuration)
        self.did.append(f"up {self.outputs['nomad']}")

    def rollout(self, project: Any, show: Any, *, roll: bool, snapshot: bool) -> bool:
        assert roll
        self.machines = dict(self.outputs)
        self.did.append(f"roll {self.machines['nomad']}{' after a snapshot' if snapshot else ''}")
        return True


def upgrade(**to: str) -> None:
    commands.upgrade(SimpleNamespace(directory=Path()), Show(Output.TEXT), to)  # type: ignore[arg-type]


def test_each_hop_is_declared_and_rolled_with_its_own_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(monkeypatch, nomad="1.10.5")
    upgrade(nomad="2.0.4")
    rolled = [done for done in stack.did if done.startswith("roll")]
    assert rolled == ["roll 1.11.3 after a snapshot", "roll 2.0.4 after a snapshot"]
    assert stack.did.index("up 2.0.4") > stack.did.index(rolled[0])
    assert stack.machines == {"nomad": "2.0.4"}


def test_killed_within_a_hops_up_the_outputs_are_old_and_nothing_is_rolled_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = Stack(monkeypatch, nomad="1.10.5")
    stack.configuration = {"nomad": "1.11.3"}
    stack.machines = {"nomad": "1.11.3"}
    upgrade(nomad="2.0.4")
    assert "roll 1.10.5 after a snapshot" not in stack.did
    assert stack.did[0] == "up 1.11.3"
    assert stack.machines == {"nomad": "2.0.4"}
    assert "first what an earlier run has begun: nomad 1.11.3" in capsys.readouterr().out


def test_a_run_that_goes_on_within_a_hop_says_where_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = Stack(monkeypatch, nomad="1.11.3")
    stack.machines = {"nomad": "1.10.5"}
    upgrade(nomad="2.0.4")
    assert stack.did == ["up 1.11.3", "roll 1.11.3 after a snapshot", "up 2.0.4", "roll 2.0.4 after a snapshot"]
    told = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert told[-2:] == ["first what an earlier run has begun: nomad 1.11.3", "hop 1 of 1: nomad 2.0.4"]


def test_an_election_before_the_first_hop_is_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(monkeypatch, nomad="1.10.5")
    answers = iter([ApiError("nomad", "GET", "/v1/jobs", 500, "No cluster leader")])

    def look_ahead(*given: Any) -> list[Affected]:
        for error in answers:
            raise error
        return []

    monkeypatch.setattr(commands, "look_ahead", look_ahead)
    monkeypatch.setattr(stopped, "PAUSE_SECONDS", 0.0)
    upgrade(nomad="1.11.3")
    assert stack.machines == {"nomad": "1.11.3"}


@pytest.mark.parametrize(("status", "asleep"), [(403, ()), (500, ("server-1",))])
def test_what_waiting_does_not_help_ends_an_upgrade_at_once(
    monkeypatch: pytest.MonkeyPatch, status: int, asleep: tuple[str, ...]
) -> None:
    stack = Stack(monkeypatch, nomad="1.10.5")
    asked: list[int] = []

    def look_ahead(*given: Any) -> list[Affected]:
        asked.append(status)
        raise ApiError("nomad", "GET", "/v1/jobs", status, "")

    monkeypatch.setattr(commands, "look_ahead", look_ahead)
    monkeypatch.setattr(stopped, "stopped", lambda connection: (asleep, bool(asleep)))
    with pytest.raises(ApiError):
        upgrade(nomad="1.11.3")
    assert (asked, stack.did) == ([status], [])


def test_a_way_is_printed_and_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = Stack(monkeypatch, nomad="1.10.5", vault="1.21.2")
    commands.show_path(SimpleNamespace(directory=Path()), Show(Output.TEXT), {"nomad": "2.0.4", "vault": "2.0.3"})  # type: ignore[arg-type]
    assert capsys.readouterr().out.splitlines() == [
        "hop 1 of 2: nomad 1.11.3, vault 2.0.3, a roll with a snapshot first",
        "hop 2 of 2: nomad 2.0.4, a roll with a snapshot first",
        "worth knowing: nomad: from nomad 2.0.1 on, tasks can't write into the allocation's log directory any more "
        "(docker, exec and other isolating drivers); have them write to `local/` or `alloc/data/` [nomad-alloc-logs]",
        "worth knowing: vault: from vault 2.0.0 on, sys/generate-root and sys/rekey ask for a token beside the keys; "
        "do it as the operator: docs/break-glass.md [vault-generate-root]",
    ]
    assert stack.did == []
    with pytest.raises(Refusal, match="is not a step that is known here"):
        commands.show_path(SimpleNamespace(directory=Path()), Show(Output.TEXT), {"nomad": "4.0.0"})  # type: ignore[arg-type]


QUEUE = {"ID": "queue", "Namespace": "shop", "Type": "service"}
BREAKING = Inventoried(
    jobs=({**QUEUE, "TaskGroups": [{"Name": "main", "Tasks": [], "MaxClientDisconnect": 1}]},),
)


def test_what_would_break_stops_before_the_first_hop_until_it_is_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = Stack(monkeypatch, nomad="1.9.7")
    stack.there = BREAKING
    with pytest.raises(Refusal) as refused:
        upgrade(nomad="2.0.4")
    assert "\n  job shop/queue, group main: from nomad 1.10.0 on, `max_client_disconnect` is ignored; " in str(
        refused.value
    )
    assert str(refused.value).endswith("Next: correct it, or add --accept nomad-job-disconnect-max")
    assert stack.did == []
    project = SimpleNamespace(directory=Path())
    commands.upgrade(project, Show(Output.TEXT), {"nomad": "2.0.4"}, accept=["nomad-job-disconnect-max"])  # type: ignore[arg-type]
    assert stack.machines == {"nomad": "2.0.4"}
    assert "would break: job shop/queue, group main" in capsys.readouterr().out


def test_accepting_what_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(monkeypatch, nomad="1.11.3")
    project = SimpleNamespace(directory=Path())
    with pytest.raises(Refusal, match="--accept everything: no breaking change is called so"):
        commands.upgrade(project, Show(Output.TEXT), {"nomad": "2.0.4"}, accept=["everything"])  # type: ignore[arg-type]
    assert stack.did == []
