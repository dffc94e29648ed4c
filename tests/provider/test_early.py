"""The plugin starts while the program still runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# The probe's plugin tells that it runs before it imports anything.
TELLS = "import pathlib, sys\npathlib.Path({path!r}).touch()\n"

WAITS = """\
import time
from pathlib import Path
from hashistack.provider.early import plugin_starts
with plugin_starts():
    until = time.monotonic() + 30
    while not Path({path!r}).exists():
        if time.monotonic() > until:
            raise TimeoutError("no plugin was started before the program's end")
        time.sleep(0.02)
Probe("one", world=world, value="a")
"""


def _tells(probed: Any, path: Path) -> None:
    plugin = probed.plugins / "pulumi-resource-hashistack"
    first, _, rest = plugin.read_text().partition("\n")
    plugin.write_text(f"{first}\n{TELLS.format(path=str(path))}{rest}")


def test_the_plugin_starts_before_the_program_has_ended(probed: Any, tmp_path: Path) -> None:
    started = tmp_path / "started"
    _tells(probed, started)
    probed.program(WAITS.format(path=str(started)))
    assert "+ 2 created" in probed.project.up()
    assert "2 unchanged" in probed.project.up()
    assert "- 2 deleted" in probed.project.run("destroy", "--yes", "--skip-preview")


def test_a_plugin_that_cannot_start_is_told_once_and_by_its_resource(probed: Any) -> None:
    plugin = probed.plugins / "pulumi-resource-hashistack"
    plugin.write_text("#!/bin/sh\necho 'no Python here' >&2\nexit 2\n")
    probed.program(
        "from hashistack.provider.early import plugin_starts\n"
        'with plugin_starts():\n    pass\nProbe("one", world=world, value="a")'
    )
    text = probed.project.up(fails=True)
    assert "no Python here" in text
    assert "Traceback" not in text


MOCKED = """\
import gc, pulumi

class Mocks(pulumi.runtime.Mocks):
    def new_resource(self, args):
        return args.name, args.inputs
    def call(self, args):
        raise AssertionError(f"a program's test is asked for {args.token}")

pulumi.runtime.set_mocks(Mocks())
from hashistack.provider.early import plugin_starts

with plugin_starts():
    assert not gc.isenabled()
assert gc.isenabled()
gc.disable()
try:
    with plugin_starts():
        raise ImportError("what the body imports is not there")
except ImportError:
    assert not gc.isenabled()
"""


def test_a_program_under_mocks_asks_nobody(tmp_path: Path) -> None:
    environment = {**os.environ, "PULUMI_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", MOCKED], check=True, env=environment, timeout=60)
    assert list(tmp_path.iterdir()) == []  # nothing was linked
