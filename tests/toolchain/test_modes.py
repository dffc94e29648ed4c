"""Machines' own users run what is cached here: whatever the umask, and also what a strict one has cached before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashistack.toolchain import resolve
from hashistack.toolchain.handler import ToolsHandler


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def modes(place: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (place, *place.rglob("*"))}


def test_a_strict_umask_keeps_nobody_out_of_a_tool(umask, mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("x")))
    tool = resolve("nomad", "1.11.3")
    assert modes(tool.path.parent) == {tool.sha256: 0o755, "nomad": 0o755, "origin.json": 0o644}


def test_a_directory_of_plugins_is_open_too(umask, mirror, make):
    archive = make.tarred({"./bridge": make.program("b"), "./loopback": make.program("l")})
    name = "cni-plugins-linux-amd64-v1.9.0.tgz"
    mirror.publish("cni/1.9.0", name, archive, f"{name}.sha256")
    assert modes(resolve("cni", "1.9.0").path) == dict.fromkeys(("cni", "bridge", "loopback"), 0o755)


@pytest.fixture
def closed(mirror, make):
    """A tool in the cache as an earlier release left it under umask 077: the executable of a build is closed too."""
    mirror.nomad(make.zipped("nomad", make.program("x")))
    tool = resolve("nomad", "1.11.3")
    for path in (tool.path, tool.path.parent):
        path.chmod(0o700)
    (tool.path.parent / "origin.json").chmod(0o600)
    return tool


def test_what_a_strict_umask_has_cached_is_opened(closed):
    assert resolve("nomad", "1.11.3") == closed
    assert modes(closed.path.parent) == {closed.sha256: 0o755, "nomad": 0o755, "origin.json": 0o644}


def test_an_up_sees_that_it_is_closed(closed):
    tools = {"nomad": {"version": "1.11.3", "sha256": closed.sha256, "path": str(closed.path.parent)}}
    news = {"versions": {"nomad": "1.11.3"}}
    handler = ToolsHandler()
    assert handler.diff(None, "artifacts", {**news, "tools": tools}, news).update == ("tools",)
    resolve("nomad", "1.11.3")
    assert handler.diff(None, "artifacts", {**news, "tools": tools}, news).update == ()
