"""`hashistack toolchain prove`: which clusters it makes, what it writes down, and what it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from hashistack.cli.commands import prove as command
from hashistack.cli.errors import Refusal
from hashistack.cli.output import Output, Show
from hashistack.cli.project import Project
from hashistack.spec.catalog import RELEASES, Product
from hashistack.spec.versions import SIGNED, known

ROOT = Path(__file__).parents[2]


class Stack:
    """A stack whose program declares what its configuration says, and what was done in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, begun: bool = False, stubborn: bool = False) -> None:
        self.did: list[str] = []
        self.configuration: dict[str, str] = {}
        self.cluster: dict[str, str] = {"nomad": "1.11.3"} if begun else {}
        self.stubborn = stubborn
        monkeypatch.setattr(command, "Engine", lambda project, say: self)
        monkeypatch.setattr(command, "up", lambda project, show: self.up())
        monkeypatch.setattr(command, "down", lambda project, show: self.down())
        monkeypatch.setattr(command.rollout, "upgrade", lambda project, show, to: self.upgrade(to))
        monkeypatch.setattr(command, "resolve", lambda *words, **_: self.did.append(f"get {words[0]} {words[1]}"))
        if begun:
            monkeypatch.setattr(Project, "stacks", lambda project: [command.STACK])

    def make_stack(self) -> None:
        self.did.append("make the stack")

    def remove_stack(self) -> None:
        assert not self.cluster
        self.did.append("remove the stack")

    def configure(self, path: str, value: str) -> None:
        self.configuration[path] = value

    def connection(self) -> Any:
        return SimpleNamespace(versions=self.cluster)

    def connections(self) -> Any:
        return {"connection": self.connection()} if self.cluster else {}

    def up(self) -> None:
        configured = {path.rpartition(".")[2]: value for path, value in self.configuration.items()}
        self.cluster = {"nomad": "1.11.3"} if self.stubborn else configured
        self.did.append(f"up {self.cluster['nomad']}")

    def upgrade(self, to: dict[str, str]) -> None:
        self.did.append(f"upgrade to {to['nomad']}")

    def down(self) -> None:
        self.cluster = {}
        self.did.append("down")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "Pulumi.yaml").write_text("name: test\nruntime: python\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def prove(here: Path, version: str) -> Path:
    file = here / "proof.json"
    command.prove(Project(here, "test"), Show(Output.TEXT), "nomad", version, file)
    return file


def test_a_release_is_proven_new_and_by_an_upgrade_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = Stack(monkeypatch)
    written = json.loads(prove(here, "2.0.4").read_text())
    assert stack.did == [
        *("get nomad 2.0.4", "make the stack", "up 2.0.4", "down"),
        *("up 1.11.3", "upgrade to 2.0.4", "down", "remove the stack"),
    ]
    assert (written["product"], written["version"]) == ("nomad", "2.0.4")
    assert len(written["steps"]) == 6
    line = capsys.readouterr().out.splitlines()[-1]
    (known_as,) = [one for one in RELEASES if (one.product, one.version) == ("nomad", "2.0.4")]
    assert json.loads(line) == {
        "version": "2.0.4",
        "released": "2026-07-07",
        "proven": True,
        "sha256": dict(known_as.sha256),
    }


def test_one_that_no_proven_release_leads_to_is_proven_new_alone(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    stack = Stack(monkeypatch)
    prove(here, "1.10.5")
    assert stack.did == ["get nomad 1.10.5", "make the stack", "up 1.10.5", "down", "remove the stack"]


def test_a_program_that_takes_no_versions_proves_nothing(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    Stack(monkeypatch, stubborn=True)
    with pytest.raises(Refusal, match=r"declares nomad 1\.11\.3: it takes no versions"):
        prove(here, "2.0.4")
    assert not (here / "proof.json").exists()


def test_a_cluster_of_a_run_that_failed_is_not_touched(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    stack = Stack(monkeypatch, begun=True)
    with pytest.raises(Refusal, match="of a run that failed or was killed"):
        prove(here, "2.0.4")
    assert stack.did == []
    stack.cluster = {}  # after that `down`
    prove(here, "2.0.4")
    assert "cluster.name" not in stack.configuration, "what a killed run has made keeps its name"


@pytest.mark.parametrize("word", ["pulumi=3.1.0", "nomad=2", "", "redis"])
def test_what_is_no_release_is_refused(word: str) -> None:
    with pytest.raises(Refusal):
        command.release_of(word)


def test_a_product_alone_is_the_newest_of_the_catalog() -> None:
    assert command.release_of("nomad") == ("nomad", known("nomad")[0])
    assert command.release_of("vault=2.0.9") == ("vault", "2.0.9")


@pytest.mark.parametrize(
    ("product", "version", "old"),
    [("nomad", "2.0.4", "1.11.3"), ("nomad", "1.11.3", "1.10.5"), ("nomad", "1.10.5", None), ("vault", "3.0.0", None)],
)
def test_the_upgrade_is_from_the_newest_that_leads_there(product: Product, version: str, old: str | None) -> None:
    assert command.before(product, version) == old


def test_each_week_every_signed_product_is_proven() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "prove.yml").read_text())
    job = workflow["jobs"]["prove"]
    assert job["strategy"]["matrix"]["product"] == list(SIGNED)
    assert any("hashistack toolchain prove ${{ matrix.product }}" in step.get("run", "") for step in job["steps"])
    assert (ROOT / "examples" / "test-cluster" / "Pulumi.yaml").exists()
