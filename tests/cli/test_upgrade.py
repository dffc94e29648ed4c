"""`hashistack upgrade` over more than one hop: what it declares and rolls, in which order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hashistack.cli.commands import rollout as commands
from hashistack.cli.errors import Refusal
from hashistack.cli.output import Output, Show


class Stack:
    """A stack that takes its versions from its configuration, and machines that a roll brings to what is declared."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
        self.outputs, self.configuration, self.machines = dict(versions), dict(versions), dict(versions)
        self.did: list[str] = []
        monkeypatch.setattr(commands, "Engine", lambda project, say: self)
        monkeypatch.setattr(commands, "up", lambda project, show: self.up())
        monkeypatch.setattr(commands, "rollout", self.rollout)
        monkeypatch.setattr(commands, "driver", lambda connection: self)

    def connection(self) -> Any:
        pools = (SimpleNamespace(name="server", bundle=str(self.outputs)),)
        return SimpleNamespace(name="shop-1f", versions=dict(self.outputs), pools=pools)

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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stack = Stack(monkeypatch, nomad="1.10.5")
    stack.configuration = {"nomad": "1.11.3"}
    stack.machines = {"nomad": "1.11.3"}
    upgrade(nomad="2.0.4")
    assert "roll 1.10.5 after a snapshot" not in stack.did
    assert stack.did[0] == "up 1.11.3"
    assert stack.machines == {"nomad": "2.0.4"}


def test_a_way_is_printed_and_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = Stack(monkeypatch, nomad="1.10.5", vault="1.21.2")
    commands.show_path(SimpleNamespace(directory=Path()), Show(Output.TEXT), {"nomad": "2.0.4", "vault": "2.0.3"})  # type: ignore[arg-type]
    assert capsys.readouterr().out.splitlines() == [
        "hop 1 of 2: nomad 1.11.3, vault 2.0.3, a roll with a snapshot first",
        "hop 2 of 2: nomad 2.0.4, a roll with a snapshot first",
    ]
    assert stack.did == []
    with pytest.raises(Refusal, match="is not a step that is known here"):
        commands.show_path(SimpleNamespace(directory=Path()), Show(Output.TEXT), {"nomad": "4.0.0"})  # type: ignore[arg-type]
