"""bench.log_store: it takes any binary, and says so where that is none of Nomad's servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import log_store


def binary(directory: Path, version: str) -> str:
    file = directory / "nomad"
    file.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo "Nomad v{version}" && exit\necho "no agent here"; exit 1\n')
    file.chmod(0o755)
    return str(file)


def test_a_binary_that_becomes_no_cluster_is_told_with_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["log_store", binary(tmp_path, "1.11.3"), "--servers", "1"])
    assert log_store.main() == 2
    assert "the servers did not come up: no agent here" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["nomad"], "nothing stays"


@pytest.mark.parametrize(("version", "has"), [("1.11.3", False), ("2.0.4", True), ("2.1.0-dev", True)])
def test_a_write_ahead_log_is_asked_of_those_that_have_it(tmp_path: Path, version: str, has: bool) -> None:
    assert log_store._has_wal(binary(tmp_path, version)) is has
