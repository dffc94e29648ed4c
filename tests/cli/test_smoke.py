"""`hashistack smoke`: in which account it is, and that nobody's money is spent without a word."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from hashistack.cli.commands import run, smoke
from hashistack.cli.errors import Interrupted, Refusal
from hashistack.cli.main import main
from hashistack.cli.output import Output, Show
from hashistack.cli.project import Project
from hashistack.component.findings import Finding
from hashistack.component.trial import Timeline


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    place = tmp_path / "mine"
    place.mkdir()
    (place / "Pulumi.yaml").write_text("name: mine\nruntime: python\n")
    return place


def configured(project: Path, **values: Any) -> None:
    settings = {name.replace("_", ":", 1): value for name, value in values.items()}
    (project / "Pulumi.test.yaml").write_text(json.dumps({"config": settings}))


def refused(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *more: str) -> str:
    monkeypatch.setattr("sys.argv", ["hashistack", "smoke", "-C", str(project), *more])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert not (project / ".state").exists(), "nothing was begun"
    return capfd.readouterr().err


def test_it_is_told_that_it_is_in_an_account(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "--account" in refused(project, monkeypatch, capfd)


def test_it_costs_and_asks(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    configured(project, aws_region="eu-central-1")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    said = refused(project, monkeypatch, capfd, "--account")
    assert "less than 1 $" in said
    assert "say --yes" in said


def test_a_report_that_could_not_be_written_is_told_before(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    configured(project, aws_region="eu-central-1")
    said = refused(project, monkeypatch, capfd, "--account", "--yes", "--report", str(project / "none" / "told.md"))
    assert "its directory is not there" in said


@pytest.mark.parametrize("settings", [{"gcp_project": "p"}, {"gcp_project": "p", "mine_image": "debian"}])
def test_a_platform_without_a_smoke_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], settings: dict[str, str]
) -> None:
    configured(project, **settings)
    assert "which sets gcp:project" in refused(project, monkeypatch, capfd, "--account", "--yes")


def test_without_a_region_there_is_no_account(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "no region is named" in refused(project, monkeypatch, capfd, "--account", "--yes")


class Tried:
    """A trial without an account. happens: what `go` raises after its first finding."""

    program, price, region = "nobody", "nothing", "eu-central-1"

    def __init__(self, happens: BaseException | None = None, left: Sequence[str] = ()) -> None:
        self.timeline, self._happens, self._left = Timeline(), happens, left

    def watching(self) -> AbstractContextManager[None]:
        return nullcontext()

    def go(self, say: Callable[[str], None]) -> Iterator[Finding]:
        yield Finding("it boots", True, "12 s")
        if self._happens:
            raise self._happens

    def left(self) -> Sequence[str]:
        return self._left


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to stacks, by `up` and `down` that only write that down."""
    made: list[str] = []

    def of(verb: str) -> Callable[[Project, Show], None]:
        def act(project: Project, show: Show) -> None:
            assert project.settings.exists() or verb == "down"
            made.append(f"{verb} {project.stack}")

        return act

    monkeypatch.setattr(run, "up", of("up"))
    monkeypatch.setattr(run, "down", of("down"))
    return made


def tried(project: Path, trial: Tried) -> bool:
    return smoke.tried(Project(project, "test"), trial, "a1", {}, "alpine", project / "told.md", Show(Output.TEXT))


def test_what_was_made_is_removed_and_told(project: Path, done: list[str]) -> None:
    assert tried(project, Tried())
    assert done == ["up a1", "down a1"]
    assert not (project / smoke.PLACE).exists()
    assert "All of it held." in (project / "told.md").read_text()


def test_what_fails_midway_is_removed_and_told(project: Path, done: list[str]) -> None:
    assert not tried(project, Tried(Refusal("the machine is gone")))
    assert done == ["up a1", "down a1"]
    said = (project / "told.md").read_text()
    assert "- held: it boots: 12 s" in said
    assert "- **did not hold**: the run went to its end: the machine is gone" in said


@pytest.mark.parametrize("pressed", [KeyboardInterrupt(), Interrupted("go on: hashistack up")])
def test_ctrl_c_removes_what_was_made(project: Path, done: list[str], pressed: BaseException) -> None:
    with pytest.raises(type(pressed)) as ended:
        tried(project, Tried(pressed))
    assert "go on" not in str(ended.value)
    assert done == ["up a1", "down a1"]
    assert not (project / smoke.PLACE).exists()


def test_what_is_left_is_told(project: Path, done: list[str]) -> None:
    assert not tried(project, Tried(left=["role smoke-x"]))
    assert "nothing is left of it: role smoke-x. it costs: delete it" in (project / "told.md").read_text()


def test_the_next_run_removes_what_a_killed_one_has_left(
    project: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = project / smoke.PLACE
    place.mkdir(parents=True)
    (place / "Pulumi.yaml").write_text("name: hashistack-smoke\n")
    monkeypatch.setattr(Project, "stacks", lambda self: [] if done else ["old"])
    assert tried(project, Tried())
    assert done == ["down old", "up a1", "down a1"]


def test_there_is_one_run_at_a_time(project: Path, done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def second(self: Tried, say: Callable[[str], None]) -> Iterator[Finding]:
        with pytest.raises(Refusal, match="another run is at work"):
            tried(project, Tried())
        yield Finding("x", True, "y")

    monkeypatch.setattr(Tried, "go", second)
    assert tried(project, Tried())
    assert done == ["up a1", "down a1"]
