"""Machines to run the node programs on, one for each shell that they must run under."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from .sandbox import SHELLS, Sandbox, missing

Start = Callable[..., "Popen[str]"]


@functools.cache
def _lacking() -> list[str]:
    return missing()


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    """The shell that is /bin/sh on the machines of the test."""
    name: str = request.param
    return name


@pytest.fixture
def machine(shell: str, tmp_path: Path) -> Sandbox:
    """A machine's root without a bundle."""
    assert not _lacking(), f"the node programs can't run here, for lack of: {', '.join(_lacking())}. See scripts/setup."
    return Sandbox(tmp_path, shell)


@pytest.fixture
def start(machine: Sandbox) -> Iterator[Start]:
    """`machine.start`, and the end of all that was started."""
    running: list[Popen[str]] = []

    def begin(*command: str) -> Popen[str]:
        running.append(machine.start(*command))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()
