"""Pools where CSI plugins may run: what Nomad and Docker are told there, and what stands for runc in a container."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from hashistack.spec import ClientPool, ClusterSpec

from .cases import AWS, LAPTOP, Case, configuration

POOLS = (ClientPool(name="web"), ClientPool(name="storage", csi=True))
RUNTIME = "platform/runc-in-container"
PROGRAM = files("hashistack.machine") / "node" / RUNTIME
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "sh"]}


def test_that_pools_containers_alone_may_be_privileged_and_mount_the_machines_paths() -> None:
    case = Case(ClusterSpec(name="x", clients=POOLS), AWS)
    told = {pool.name: configuration(case.bundle(pool.name), "nomad")["plugin"]["docker"]["config"] for pool in POOLS}
    assert {pool: one["allow_privileged"] for pool, one in told.items()} == {"web": False, "storage": True}
    assert {pool: one["volumes"] for pool, one in told.items()} == {
        "web": {"enabled": False},
        "storage": {"enabled": True},
    }


def test_docker_runs_another_runc_only_there_and_where_the_machine_is_a_container() -> None:
    spec = ClusterSpec(name="x", clients=POOLS)
    for platform in (AWS, LAPTOP, replace(LAPTOP, runtime=RUNTIME)):
        for pool in POOLS:
            bundle = Case(spec, platform).bundle(pool.name)
            wanted = pool.csi and bool(platform.runtime)
            assert ("default-runtime" in configuration(bundle, "docker")) == wanted
            assert ("bin/runc-in-container" in bundle.files) == wanted
    docker = configuration(bundle, "docker")
    (runtime,) = docker["runtimes"].items()
    assert runtime == (docker["default-runtime"], {"path": "/opt/hashistack/current/bin/runc-in-container"})


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("option", "file", "document"),
    [
        ("--bundle", "config.json", lambda own: {"process": own, "root": {}}),
        ("--process", "process.json", lambda own: own),
    ],
)
def test_a_container_gets_the_capabilities_that_its_machine_has(
    tmp_path: Path, shell: str, option: str, file: str, document: Any
) -> None:
    held = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"}
    asked = [*sorted(held), "CAP_SYS_TIME", "CAP_MAC_ADMIN"]
    sets = {"bounding": asked, "effective": ["CAP_SYS_TIME"], "ambient": []}
    (tmp_path / file).write_text(json.dumps(document({"capabilities": sets, "args": ["sh"]})))
    given = tmp_path if option == "--bundle" else tmp_path / file
    done = started(tmp_path, shell, held, "--root", "/run/x", "create", option, str(given), "name")
    assert done == f"--root /run/x create {option} {given} name\n"
    kept = {"bounding": sorted(held), "effective": [], "ambient": []}
    assert json.loads((tmp_path / file).read_text()) == document({"capabilities": kept, "args": ["sh"]})
    assert {path.name for path in tmp_path.iterdir()} == {file, "bin", "status"}


@pytest.mark.parametrize("shell", SHELLS)
def test_other_orders_are_runcs_own(tmp_path: Path, shell: str) -> None:
    assert started(tmp_path, shell, set(), "--root", "/run/x", "delete", "--force", "name").endswith("--force name\n")


BITS = {"CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_SYS_ADMIN": 21, "CAP_CHECKPOINT_RESTORE": 40}
"""https://github.com/torvalds/linux/blob/master/include/uapi/linux/capability.h"""


def started(directory: Path, shell: str, held: set[str], *arguments: str) -> str:
    """What a runc that prints its arguments says, on a machine that has these capabilities."""
    programs = directory / "bin"
    programs.mkdir()
    (programs / "runc").write_text('#!/bin/sh\necho "$@"\n')
    (programs / "runc").chmod(0o755)
    (directory / "status").write_text(f"Name:\tsed\nCapBnd:\t{sum(1 << BITS[name] for name in held):016x}\n")
    text = PROGRAM.read_text()
    assert text.count("/proc/self/status") == 1
    program = programs / "runc-in-container"
    program.write_text(text.replace("/proc/self/status", str(directory / "status")))
    done = subprocess.run(
        [*SHELLS[shell], str(program), *arguments],
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
