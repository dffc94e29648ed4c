"""README's start, as it is: its lines run on the session's cluster."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import httpx

from ..documentation import ROOT, blocks
from .datacenter import Datacenter
from .project import HASHISTACK, until


def test_the_lines_of_readmes_start_do_what_it_says(datacenter: Datacenter, tmp_path: Path) -> None:
    (start,) = [one for one in blocks() if one.page == "README.md" and "make test-cluster" in one.text]
    make, run, env, ui = start.text.replace(".venv/bin/hashistack", str(HASHISTACK)).splitlines()
    # The session's cluster came up by what this line stands for, in a copy of the same project.
    assert make.split("#")[0].split() == ["make", "test-cluster"]
    assert "$(bin)/hashistack up -C examples/test-cluster\n" in (ROOT / "Makefile").read_text()

    environment = {**datacenter.project.environment, "HASHISTACK_PROJECT": str(datacenter.project.directory)}
    environment.pop("BROWSER", None)
    try:
        script = f"{run}\n{env}\nnomad job status web\nconsul catalog services\n"
        done = subprocess.run(
            ["bash", "-euc", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"^Status\s+= running$", done.stdout, re.MULTILINE), done.stdout
        assert "web" in done.stdout.splitlines()[-20:], done.stdout

        said = tmp_path / "ui"
        with said.open("w") as output:
            pages = subprocess.Popen(
                ["bash", "-c", f"exec {ui}"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            consul = until(
                lambda: re.search(r"^consul +(http://\S+)", said.read_text(), re.MULTILINE), 60, said.read_text
            )
            assert httpx.get(consul[1], follow_redirects=True).status_code == 200
        finally:
            os.kill(pages.pid, signal.SIGINT)
            assert pages.wait(30) == 0
    finally:
        datacenter.vendor("nomad", "job", "stop", "-purge", "web")
