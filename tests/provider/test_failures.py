"""What the user reads and what is recorded when something goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def test_a_bad_input_is_told_with_its_path(probed: Any) -> None:
    probed.program('Probe("one", world=world, value={"count": 4})')
    text = probed.project.run("preview", fails=True)
    assert "must be 3 or 5, not 4" in text
    assert "value.count" in text
    assert "Traceback" not in text


def test_a_failure_is_one_clear_text(probed: Any) -> None:
    probed.program('Probe("one", world=world, value=1, mode="fails")')
    text = probed.project.up(fails=True)
    assert "machine one did not start: no space left. Free some and run `up` again." in text
    assert "Traceback" not in text
    assert "Exception calling application" not in text
    assert probed.project.state() == {}
    probed.program('Probe("one", world=world, value=1)')
    text = probed.project.up()  # and nothing is left that would have to be repaired
    assert "pending" not in text


def test_what_the_system_refuses_is_no_bug(probed: Any) -> None:
    probed.program('Probe("one", world=world, value=1, mode="fills the disk")')
    text = probed.project.up(fails=True)
    assert "/var/full: No space left on device. Next: make room there, then repeat" in text
    assert "a bug in hashistack" not in text


def test_a_bug_says_that_it_is_one(probed: Any) -> None:
    probed.program('Probe("one", world=world, value=1, mode="has a bug")')
    text = probed.project.up(fails=True)
    assert "ZeroDivisionError: by accident (a bug in hashistack" in text
    assert "Traceback" not in text
    assert "probe.py" in probed.project.up("--debug", fails=True)


def test_what_was_made_before_a_failure_is_recorded(probed: Any) -> None:
    project, world = probed.project, probed.world
    probed.program('Probe("one", world=world, value=1, mode="fails in part")')
    text = project.up(fails=True)
    assert "made, but never ready" in text
    recorded = project.state()["one"]
    assert recorded["id"] == str(world / "one")
    assert "half" not in str(recorded["outputs"]["hidden"])  # secret there too

    assert "still not ready" in project.up(fails=True)  # tried again, though the inputs are the same
    probed.program('Probe("one", world=world, value=1)')
    project.up()
    assert (world / "one").read_text() == "1"
    project.run("destroy", "--yes", "--skip-preview")
    assert list(world.iterdir()) == []


def start_up(probed: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(probed.project.pulumi), "up", "--yes", "--skip-preview", "--non-interactive", "--color=never"],
        cwd=probed.project.directory,
        env=probed.project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_cancel_reaches_the_handler(probed: Any) -> None:
    probed.program('Probe("one", world=world, value=1, mode="waits to be cancelled")')
    made: Path = probed.world / "one"
    with start_up(probed) as up:
        wait_for(made.exists)
        up.send_signal(signal.SIGINT)
        text, _ = up.communicate(timeout=60)
    assert up.returncode != 0
    assert made.read_text() == "cancelled"
    assert "waiting since a while" in text
    assert text.count("this line stays") >= 1
    assert probed.project.state()["one"]["id"] == str(made)


def test_a_killed_engine_leaves_no_plugin_behind(probed: Any) -> None:
    probed.program('Probe("one", world=world, value=1, mode="waits for the engine\'s death")')
    made: Path = probed.world / "one"
    with start_up(probed) as up:
        wait_for(lambda: made.exists() and made.read_text() != "")
        engine = int(made.read_text())
        os.kill(engine, signal.SIGKILL)
        wait_for(lambda: made.read_text() != str(engine), seconds=10)
        up.communicate(timeout=90)
    mine = str(probed.plugins).encode()
    wait_for(lambda: not any(mine in command for command in _commands()))


def _commands() -> list[bytes]:
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(place.read_bytes())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_the_plugin_writes_its_calls_where_the_command_says(probed: Any, tmp_path: Path) -> None:
    file = tmp_path / "calls.log"
    probed.project.environment["HASHISTACK_LOG"] = str(file)
    probed.program('Probe("one", world=world, value="a-value")')
    probed.project.up()
    said = file.read_text()
    assert any(" plugin Create " in line and line.endswith(" ms") for line in said.splitlines())
    assert "a-value" not in said
