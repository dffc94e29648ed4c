"""The renderer's digest follows what renders, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hashistack.machine import source_digest as module


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "hashistack"
    for part in ("spec", "machine", "local", "ops"):
        shutil.copytree(module._PACKAGE / part, copy / part)
    monkeypatch.setattr(module, "_PACKAGE", copy)
    return copy


def _fresh() -> str:
    module.source_digest.cache_clear()
    try:
        return module.source_digest("local")
    finally:
        module.source_digest.cache_clear()  # of the copy, not of this package


@pytest.mark.parametrize(
    "change",
    [
        lambda package: (package / "spec/ports.py").write_text("PORTS = ()"),
        lambda package: (package / "machine/node/boot/boot").write_text("exit 1"),
        lambda package: (package / "machine/node/boot/boot").rename(package / "machine/node/boots"),
        lambda package: (package / "machine/new.py").touch(),
        lambda package: (package / "local/labels.py").unlink(),
    ],
    ids=["a value", "a node program", "its name", "one more", "one less"],
)
def test_another_source_is_another_renderer(package: Path, change: Callable[[Path], object]) -> None:
    before = _fresh()
    change(package)
    assert _fresh() != before


def test_the_same_sources_are_the_same_renderer(package: Path) -> None:
    before = _fresh()
    (package / "spec/__pycache__").mkdir(exist_ok=True)
    (package / "spec/__pycache__/compiled.pyc").touch()
    (package / "ops/api/http.py").write_text("# asks, and renders nothing")
    for path in package.rglob("*.py"):
        path.touch()
    assert _fresh() == before
