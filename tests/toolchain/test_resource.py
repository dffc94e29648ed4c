"""Tools as a resource: resolved when they change or are gone, and packed into one file each."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hashistack.provider import registry
from hashistack.provider.handler import Context
from hashistack.toolchain import resolution
from hashistack.toolchain.handler import ToolsHandler
from hashistack.toolchain.packing import packed
from hashistack.toolchain.tool import Tool, ToolError

CTX = Context()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with every tool that is asked for; arm64 has none."""

    def resolve(
        name: str, version: str, arch: str, *args: Any, sha256: str | None, static: bool, build: bool = True
    ) -> Tool:
        if arch == "arm64":
            raise ToolError(f"{name} {version} linux/{arch} is not to be had")
        place = tmp_path / name / version
        if name == "cni":
            (place / "cni").mkdir(parents=True, exist_ok=True)
            for plugin in ("bridge", "loopback"):
                (place / "cni" / plugin).write_text(plugin * 1000)
        else:
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(f"{name} {version}")
        return Tool(name, version, arch, place / name, hashlib.sha256(name.encode()).hexdigest(), "mirror")

    monkeypatch.setattr(resolution, "resolve", resolve)
    return tmp_path


def inputs(**more: Any) -> dict[str, Any]:
    return {"versions": {"nomad": "1.2.3", "cni": "1.9.0"}, "digests": {}, "arch": "amd64", "static": True, **more}


def test_tools_are_where_they_are_used_or_a_file_each(shelf: Path) -> None:
    _, used = ToolsHandler().create(CTX, inputs())
    assert used["tools"]["nomad"]["path"] == str(shelf / "nomad/1.2.3")
    assert used["tools"]["cni"]["path"] == str(shelf / "cni/1.9.0/cni")
    _, files = ToolsHandler().create(CTX, inputs(packed=True))
    for tool, file in {"nomad": "nomad/1.2.3/nomad", "cni": "cni/1.9.0/cni.tar"}.items():
        assert files["tools"][tool]["path"] == str(shelf / file)
    contents = (shelf / "cni/1.9.0/cni.tar").read_bytes()
    assert files["tools"]["cni"]["sha256"] == hashlib.sha256(contents).hexdigest()
    assert files["tools"]["nomad"]["sha256"] == used["tools"]["nomad"]["sha256"]


def test_the_tar_of_plugins_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    """Its digest goes into bundles: another order, owner or time would replace every client."""
    digests = set()
    for place, names in (("here", ("bridge", "loopback")), ("there", ("loopback", "bridge"))):
        plugins = tmp_path / place / "cni"
        plugins.mkdir(parents=True)
        for name in names:
            (plugins / name).write_text(name)
            (plugins / name).chmod(0o700 if place == "here" else 0o755)
        archive, sha256 = packed(Tool("cni", "1.9.0", "amd64", plugins, "d" * 64, "mirror"))
        digests.add(sha256)
        with tarfile.open(archive) as tar:
            assert [(each.name, each.mode, each.mtime) for each in tar] == [
                ("bridge", 0o755, 0),
                ("loopback", 0o755, 0),
            ]
        made = archive.stat().st_mtime_ns
        assert packed(Tool("cni", "1.9.0", "amd64", plugins, "d" * 64, "mirror")) == (archive, sha256)
        assert archive.stat().st_mtime_ns == made, "packed once"
    assert len(digests) == 1


def test_an_up_that_changes_nothing_resolves_nothing(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler, news = ToolsHandler(), inputs(packed=True)
    state = {**news, **handler.create(CTX, news)[1]}
    monkeypatch.setattr(resolution, "resolve", None)
    assert handler.diff(CTX, "id", state, news).update == ()
    newer = {**news, "versions": {**news["versions"], "nomad": "1.2.4"}}
    assert handler.diff(CTX, "id", state, newer).update == ("versions",)
    (shelf / "cni/1.9.0/cni.tar").unlink()  # as on another machine than the one that uploaded
    assert handler.diff(CTX, "id", state, news).update == ("tools",)


def test_a_tool_that_is_not_to_be_had_is_one_error(shelf: Path) -> None:
    with pytest.raises(ToolError, match="linux/arm64 is not to be had"):
        ToolsHandler().create(CTX, inputs(arch="arm64"))


def test_the_laptops_artifacts_are_the_same_tools() -> None:
    """Stacks of earlier versions have that type in their state."""
    for kind in ("LocalArtifacts", "Tools"):
        assert isinstance(registry.handler(f"hashistack:index:{kind}"), ToolsHandler)
