"""mount-volumes on real disks: loop devices with real file systems, mounted as long as the machine's process runs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hashistack.aws.pools.platform import platform
from hashistack.machine.bundle import render
from hashistack.spec import ClientPool, ClusterSpec
from hashistack.spec.pool import HostVolume

from .cases import binaries
from .sandbox import PLATFORM, Sandbox

BIN = "/opt/hashistack/current/bin"
MIB = 1 << 20
SPEC = ClusterSpec(name="x", clients=(ClientPool(name="web", host_volumes={"data": HostVolume(path="/srv/data")}),))
FACTS = platform(
    "eu-central-1", ("10.0.0.2",), "arn:aws:kms:eu-central-1:111122223333:key/x", disks={"/dev/sdf": "/srv/data"}
)


@dataclass
class Disk:
    """A file of this machine as a block device."""

    file: Path
    device: str

    def grow(self, mib: int) -> None:
        os.truncate(self.file, mib * MIB)
        subprocess.run(["losetup", "--set-capacity", self.device], check=True)

    def write(self, at: int, data: bytes) -> None:
        with self.file.open("r+b") as file:
            file.seek(at)
            file.write(data)
        subprocess.run(["blockdev", "--flushbufs", self.device], check=True)


def _may_resize() -> bool:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return bool(int(status["CapEff"], 16) & 1 << 24)


@pytest.fixture
def disk(machine: Sandbox, tmp_path: Path) -> Iterator[Disk]:
    machine.install_bundle(render(SPEC, "web", FACTS, binaries("web")), "client", "web", PLATFORM)
    machine.path("/var/lib/hashistack").mkdir(parents=True)
    file = tmp_path / "disk"
    file.touch()
    os.truncate(file, 64 * MIB)
    made = subprocess.run(["losetup", "--find", "--show", file], capture_output=True, text=True, check=True)
    device = made.stdout.strip()
    machine.write("/standin/disks", f"/dev/sdf {device} vol-1\n")
    yield Disk(file, device)
    subprocess.run(["losetup", "--detach", device], check=True)


def mounted(machine: Sandbox, then: str = ":") -> str:
    """What `then` says on the machine once its volumes are mounted; the mount ends with it."""
    done = machine.run("/bin/sh", "-c", f"{BIN}/mount-volumes && {then}")
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def refused(machine: Sandbox) -> str:
    done = machine.run(f"{BIN}/mount-volumes")
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_an_empty_disk_gets_a_file_system_once(machine: Sandbox, disk: Disk) -> None:
    said = mounted(machine, "echo kept >/srv/data/file && stat -c %a /srv/data && df -T /srv/data | tail -n 1")
    first, mode, line = said.splitlines()
    assert first == f"hashistack: /dev/sdf ({disk.device}) is empty: it gets a file system, for /srv/data"
    assert (mode, line.split()[:2]) == ("1777", [disk.device, "ext4"])
    assert mounted(machine, "cat /srv/data/file") == "kept\n"
    assert machine.tree("/var/lib/hashistack") == {}


def test_what_is_mounted_already_stays(machine: Sandbox, disk: Disk) -> None:
    assert mounted(machine, f"echo x >/srv/data/file; {BIN}/mount-volumes; grep -c /srv/data /proc/mounts").endswith(
        "\n1\n"
    )


def test_a_file_system_is_told_to_grow_at_each_boot(machine: Sandbox, disk: Disk) -> None:
    machine.stand_in("resize2fs", 'echo "$*" >>/tmp/ran')
    mounted(machine)
    assert mounted(machine, "cat /tmp/ran") == 2 * f"{disk.device}\n"


@pytest.mark.skipif(not _may_resize(), reason="the kernel grows a mounted file system for CAP_SYS_RESOURCE alone")
def test_a_file_system_grows_with_its_disk(machine: Sandbox, disk: Disk) -> None:
    size = "df -m /srv/data | awk 'END { print $2 }'"
    before = int(mounted(machine, f"echo kept >/srv/data/file; {size}").splitlines()[-1])
    disk.grow(128)
    kept, after = mounted(machine, f"cat /srv/data/file; {size}").splitlines()
    assert kept == "kept"
    assert before < 64 < int(after)


@pytest.mark.parametrize(
    ("at", "data"),
    [(0, b"raw"), (16 * MIB - 1, b"x"), (64 * MIB - 512, b"EFI PART"), (4096, b"\xfc\x4e\x2b\xa9")],
    ids=["bytes", "far", "partition table at the end", "array"],
)
def test_a_disk_with_any_data_is_left_as_it_is(machine: Sandbox, disk: Disk, at: int, data: bytes) -> None:
    disk.write(at, data)
    before = disk.file.read_bytes()
    assert refused(machine) == (
        f"hashistack: /dev/sdf ({disk.device}) holds data that can't be mounted at /srv/data, and is left as it is: put"
        " a file system on it yourself, or replace the volume by an empty one"
    )
    assert disk.file.read_bytes() == before


def test_a_disk_with_a_file_system_is_mounted(machine: Sandbox, disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_text("of before\n")
    subprocess.run(["mkfs.ext4", "-q", "-d", tmp_path / "tree", disk.device], check=True)
    assert mounted(machine, "cat /srv/data/file") == "of before\n"


def test_a_disk_that_can_not_be_read_is_not_empty(machine: Sandbox, disk: Disk) -> None:
    machine.stand_in("dd", "exit 1")
    assert "is left as it is" in refused(machine)


def test_a_file_system_that_was_left_half_made_is_made_again_on_that_disk_alone(machine: Sandbox, disk: Disk) -> None:
    disk.write(0, b"half")
    machine.write("/var/lib/hashistack/formatting-vol-2", "")
    assert "is left as it is" in refused(machine)
    machine.write("/var/lib/hashistack/formatting-vol-1", "")
    assert "it gets a file system" in mounted(machine)
    assert list(machine.tree("/var/lib/hashistack")) == ["formatting-vol-2"]


def test_a_machine_boots_only_with_its_volumes(machine: Sandbox, disk: Disk) -> None:
    machine.write("/standin/disks", "")
    machine.stand_in("mkfs.ext4", "echo >>/tmp/ran")
    assert machine.run(f"{BIN}/mount-volumes").returncode != 0
    assert machine.tree("/tmp") == {}
    boot = machine.bundle_path("bin/boot").read_text()
    assert boot.index("mount-volumes") < boot.index("client.host_volume")
