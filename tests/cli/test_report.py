"""`hashistack report`, by the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HASHISTACK = Path(sys.executable).with_name("hashistack")
EVENT = json.dumps({"event": "result", "at": 1732435200, "ok": True, "text": "done", "seconds": 9})
SAMPLE = json.dumps({"at": 1732435200, "from": "web-1", "requests": 7, "failed": 1, "p50_ms": 1, "p99_ms": 2})


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HASHISTACK, "report", *arguments], cwd=directory, capture_output=True, text=True, timeout=60)


def test_the_report_goes_beside_the_events_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "roll.ndjson").write_text(EVENT + "\n")
    (tmp_path / "probe.ndjson").write_text(SAMPLE + "\n")
    done = run(tmp_path, "roll.ndjson", "--probe", "probe.ndjson")
    assert (done.returncode, done.stdout.split()) == (0, ["roll.html", "roll.json"])
    assert json.loads((tmp_path / "roll.json").read_text())["probe"]["failed"] == 1
    assert run(tmp_path, "roll.ndjson", "--html", "other.html").returncode == 0
    assert json.loads((tmp_path / "other.json").read_text())["probe"] is None


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("roll.ndjson", None, "roll.ndjson can't be read: No such file or directory. Next: name a file that exists"),
        ("roll.ndjson", "hello\n", "roll.ndjson, line 1 is not JSON; it should be one JSON object a line"),
        ("roll.json", EVENT, "over its own input. Next: --html with another name than roll.html"),
    ],
)
def test_what_can_not_be_reported_is_one_text_and_nothing_is_written(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    done = run(tmp_path, name)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ([name] if text is not None else [])
