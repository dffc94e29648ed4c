"""README.md's example is a program that works, and what it names is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hashistack.testing import record

README = Path(__file__).parent.parent / "README.md"


def test_the_example_runs_and_is_twenty_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))  # the plugin is linked there
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(program.splitlines()) == 20

    recording = record(
        lambda: exec(compile(program, str(README), "exec"), {"__name__": "__main__"}),  # noqa: S102
        preview=True,
    )
    made = {each.name: each.type.rpartition(":")[2] for each in recording.resources}
    assert {
        "shop": "LocalCluster",
        "shop-web": "LocalClientPool",
        "shop-batch": "LocalClientPool",
        "shop-ready": "LocalReady",
    }.items() <= made.items()


def test_the_recording_is_of_its_lines() -> None:
    """docs/pictures/start.cast (asciicast 2) is what a terminal said, and start.svg what is shown of it."""
    lines = (README.parent / "docs/pictures/start.cast").read_text().splitlines()
    said = "".join(json.loads(line)[2] for line in lines[1:])
    typed = re.findall(r"^\$ (.*)$", re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", said).replace("\r", ""), re.MULTILINE)
    (shown,) = re.findall(r"^    pip install .*\n((?:    .*\n)+)", README.read_text(), re.MULTILINE)
    assert typed == [line.split("#")[0].strip() for line in shown.splitlines()]

    picture = (README.parent / "docs/pictures/start.svg").read_text()
    assert len(picture) < 300_000
    seen = " ".join("".join(ElementTree.fromstring(picture).itertext()).split())  # noqa: S314
    assert [line for line in typed if line not in seen] == []


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"\b(?:examples|docs)/[\w./-]*\w", README.read_text()))
    assert "examples/product/web.nomad.hcl" in named
    assert [path for path in sorted(named) if not (README.parent / path).exists()] == []
