"""`--verbose` and HASHISTACK_LOG, as a user gives them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HASHISTACK = [sys.executable, "-c", "from hashistack.cli.main import main; main()"]


def doctor(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Of a Docker that is not there: it is asked for nothing else."""
    nobody = {"DOCKER_HOST": f"unix://{tmp_path}/nobody.sock", "TMPDIR": str(tmp_path)}
    return subprocess.run(
        [*HASHISTACK, *arguments], env={**os.environ, **nobody, **environment}, capture_output=True, text=True
    )


def fetch(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Looks for a tool that nobody has, at a mirror that nobody is."""
    mirror = {
        "HASHISTACK_MIRROR": "http://somebody:hunter2@127.0.0.1:9/mirror",
        "HASHISTACK_CACHE": str(tmp_path / "c"),
    }
    fetched = ["toolchain", "fetch", "nomad", "--version", "0.0.1"]
    return doctor(tmp_path, *fetched, *arguments, **mirror, **environment)


def test_verbose_may_stand_anywhere_and_shows_on_standard_error(tmp_path: Path) -> None:
    done = fetch(tmp_path, "--verbose", HTTPS_PROXY="http://127.0.0.1:9")
    assert done.returncode == 2
    assert " download GET http://127.0.0.1:9/mirror/nomad/0.0.1/nomad_0.0.1_SHA256SUMS ConnectError " in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert " ms\n" not in done.stdout
    assert [place.name for place in tmp_path.iterdir() if place.name.startswith("hashistack-")] == []


def test_the_log_keeps_what_verbose_shows(tmp_path: Path) -> None:
    file = tmp_path / "calls.log"
    done = fetch(tmp_path, "--verbose", HTTPS_PROXY="http://127.0.0.1:9", HASHISTACK_LOG=str(file))
    kept = file.read_text().splitlines()
    assert kept
    assert kept == [line for line in done.stderr.splitlines() if line.endswith(" ms")]


def test_without_either_nothing_is_said(tmp_path: Path) -> None:
    assert " ms\n" not in fetch(tmp_path, HTTPS_PROXY="http://127.0.0.1:9").stderr


@pytest.mark.parametrize("flag", [("--verbose",), ()])
def test_a_log_that_cannot_be_written_is_one_error(tmp_path: Path, flag: tuple[str, ...]) -> None:
    done = doctor(tmp_path, "doctor", *flag, HASHISTACK_LOG=str(tmp_path / "nowhere/calls.log"))
    assert done.returncode == 2
    assert "HASHISTACK_LOG" in done.stderr
    assert "Traceback" not in done.stderr
