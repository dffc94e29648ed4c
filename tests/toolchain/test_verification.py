"""Cached tools are proved: re-hashed, run, and run where there is no C library."""

import os
import platform

import pytest

from hashistack.toolchain import resolve, verify

pytestmark = pytest.mark.usefixtures("amd64")


@pytest.fixture
def amd64():
    """The programs that these tests run are for amd64: say so where that is not so."""
    assert platform.machine() == "x86_64", "these tests run amd64 programs: run them on an amd64 machine"


@pytest.fixture
def fetched(mirror, make):
    """Fetch a Nomad that says what it is told to."""

    def fetch(says: str = "Nomad v1.11.3\n", **how: bool):
        mirror.nomad(make.zipped("nomad", make.program(says, **how)))
        return resolve("nomad", "1.11.3")

    return fetch


def test_a_static_tool_runs_in_an_empty_root(fetched):
    fetched()
    (found,) = verify()
    assert found.ok
    assert (found.intact, found.static, found.version) == (True, True, "1.11.3")
    if found.alone is None:
        assert os.geteuid() != 0
        assert "for want of root's rights" in found.note
    else:
        assert found.alone


def test_without_the_right_to_change_the_root_it_says_so(fetched, monkeypatch, tmp_path):
    fetched()
    unshare = tmp_path / "unshare"
    unshare.write_text("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n")
    unshare.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    (found,) = verify()
    assert found.ok
    assert found.alone is None
    assert found.note == "not run in an empty root, for want of root's rights: Operation not permitted"


def test_an_altered_tool_is_found_and_not_run(fetched):
    tool = fetched()
    tool.path.write_bytes(tool.path.read_bytes() + b"!")
    (found,) = verify()
    assert not found.ok
    assert (found.intact, found.version) == (False, None)
    assert str(tool.path.parent) in found.note


@pytest.mark.parametrize("says", ["Nomad v1.11.2\n", "no version at all"])
def test_a_tool_that_is_another_version_is_wrong(fetched, says):
    fetched(says)
    (found,) = verify()
    assert not found.ok


def test_a_dynamic_tool_is_told_from_a_static_one(fetched):
    fetched(dynamic=True)
    (found,) = verify()
    assert found.static is False


def test_a_tool_for_another_machine_is_hashed_only(mirror, make):
    mirror.nomad(make.zipped("nomad", make.program("x", "arm64")), arch="arm64")
    resolve("nomad", "1.11.3", "arm64")
    (found,) = verify()
    assert found.ok
    assert found.version is None
    assert found.note == "not run: this machine is amd64"


def test_every_plugin_is_run(mirror, make):
    plugins = {"bridge": "CNI bridge plugin v1.9.0\n", "loopback": "CNI loopback plugin v1.8.0\n"}
    archive = "cni-plugins-linux-amd64-v1.9.0.tgz"
    content = make.tarred({name: make.program(says) for name, says in plugins.items()})
    mirror.publish("cni/1.9.0", archive, content, f"{archive}.sha256")
    resolve("cni", "1.9.0")
    (found,) = verify()
    assert not found.ok
    assert found.version == "1.8.0, 1.9.0"
