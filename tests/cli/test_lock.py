"""The file backend's lock, with processes that really live and really died."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hashistack.cli.commands import run
from hashistack.cli.commands.run import TRIES
from hashistack.cli.engine import Ended
from hashistack.cli.errors import Refusal
from hashistack.cli.events import Condenser
from hashistack.cli.lock import release_stale
from hashistack.cli.options import Output
from hashistack.cli.output import Show
from hashistack.cli.project import Project


def lock(backend: Path, pid: int, host: str | None = None, stack: str = "test") -> Path:
    """A lock as the engine writes it."""
    folder = backend / ".pulumi/locks/organization/test-cluster" / stack
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{pid}.json"
    held = {"pid": pid, "username": "ada", "hostname": host or socket.gethostname()}
    file.write_text(json.dumps({**held, "timestamp": "2026-11-23T16:51:06.123456Z"}))
    return file


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lock_of_a_dead_process_goes_and_only_that_one(tmp_path: Path) -> None:
    stale, other = lock(tmp_path, dead_pid()), lock(tmp_path, dead_pid(), stack="other")
    said: list[str] = []
    release_stale(tmp_path, "test-cluster", "test", said.append)
    assert not stale.exists()
    assert other.exists()
    assert len(said) == 1
    assert "ada@" in said[0]


def test_a_living_holder_is_named_and_keeps_its_lock(tmp_path: Path) -> None:
    held = lock(tmp_path, os.getpid())
    with pytest.raises(Refusal, match=rf"locked by ada@.*process {os.getpid()}, since 2026-11-23T16:51:06, "):
        release_stale(tmp_path, "test-cluster", "test", lambda _: None)
    assert held.exists()


def test_a_zombie_holds_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.read()  # it has ended or is about to; nobody has looked at its exit code
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    held = lock(tmp_path, process.pid)
    release_stale(tmp_path, "test-cluster", "test", lambda _: None)
    assert not held.exists()
    process.stdout.close()
    process.wait()


def test_a_lock_of_another_host_is_left_to_its_owner(tmp_path: Path) -> None:
    held = lock(tmp_path, dead_pid(), host="elsewhere")
    with pytest.raises(Refusal, match="ada@elsewhere"):
        release_stale(tmp_path, "test-cluster", "test", lambda _: None)
    assert held.exists()


def test_a_broken_lock_is_named(tmp_path: Path) -> None:
    held = lock(tmp_path, 1)
    held.write_text("{")
    with pytest.raises(Refusal, match=str(held)):
        release_stale(tmp_path, "test-cluster", "test", lambda _: None)


def test_no_lock_no_word(tmp_path: Path) -> None:
    release_stale(tmp_path, "test-cluster", "test", pytest.fail)


class GivesWay:
    """An engine that finds the stack locked so many times; nobody has the lock any more when one looks."""

    def __init__(self, times: int) -> None:
        self.times, self.begun = times, 0

    def unlock(self) -> None:
        pass

    def run(self, verb: str, on_event: object, on_idle: object) -> Ended:
        self.begun += 1
        if self.begun <= self.times:
            return Ended(255, "error: the stack is currently locked by 1 lock(s)", False)
        return Ended(0, "", False)


def test_ctrl_c_after_the_last_resource_still_ends_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine has nothing left to stop, and ends well."""
    (tmp_path / "Pulumi.yaml").write_text('{"name": "x", "runtime": "python"}')
    monkeypatch.setattr(run, "Engine", lambda project, say: None)
    monkeypatch.setattr(run, "_run", lambda *given: (Ended(0, "", True), Condenser(), 1.0))
    with pytest.raises(Refusal, match=r"interrupted; .*\nGo on: hashistack up"):
        run.up(Project(tmp_path, "test"), Show(Output.JSON))


@pytest.mark.parametrize(("times", "code", "begun"), [(0, 0, 1), (1, 0, 2), (9, 255, 1 + TRIES)])
def test_two_that_gave_way_to_each_other_begin_again(
    monkeypatch: pytest.MonkeyPatch, times: int, code: int, begun: int
) -> None:
    monkeypatch.setattr(run.random, "uniform", lambda least, most: 0.0)
    engine = GivesWay(times)
    ended, _, _ = run._run(engine, "destroy", Condenser(), Show(Output.JSON))  # type: ignore[arg-type]
    assert (ended.code, engine.begun) == (code, begun)
