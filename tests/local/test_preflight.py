"""Preflight says what is wrong and what to type: Docker missing, old, full or somewhere else."""

from __future__ import annotations

import platform
import socket
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import DockerException

from hashistack.component.findings import Finding
from hashistack.local import labels, preflight, ranges
from hashistack.local.image import build as image

GIB = 1 << 30
Fake = Callable[..., Any]


@pytest.fixture
def fake() -> Fake:
    """A Docker client of this machine, with what the test changes about it."""

    def make(
        api: str = "1.44",
        subnets: tuple[str, ...] = (),
        images: bool = True,
        marks: tuple[dict[str, str], ...] = (),
        **info: object,
    ) -> Any:
        said = {
            "Name": platform.node(),
            "OperatingSystem": "Debian",
            "CgroupVersion": "2",
            "DockerRootDir": "/",
            "MemTotal": 8 * GIB,
            "SystemTime": time.strftime("%Y-%m-%dT%H:%M:%S.123456789Z", time.gmtime()),
            **info,
        }
        networks: list[Any] = [{"IPAM": {"Config": [{"Subnet": subnet}]}} for subnet in subnets]
        # What else is listed: host and none, a plug-in without IPAM, a pool without a subnet, swarm's ingress.
        networks += [{"IPAM": {"Config": None}}, {"IPAM": None}, {}, {"IPAM": {"Config": [{}, {"Subnet": None}]}}]
        return SimpleNamespace(
            info=lambda: said,
            version=lambda: {"ApiVersion": api},
            images=SimpleNamespace(list=lambda name: [name] if images else []),
            api=SimpleNamespace(
                networks=lambda filters=None: networks if filters is None else [],
                containers=lambda all, filters: [{"Labels": mark} for mark in marks],
            ),
        )

    return make


def one(results: list[Finding], words: str) -> Finding:
    found = [result for result in results if words in result.sentence]
    assert len(found) == 1, f"{words!r} in {[result.sentence for result in results]}"
    return found[0]


def test_what_is_wrong_or_unsure_has_a_detail_and_a_failure_a_remedy(fake: Fake) -> None:
    full = tuple(str(ranges.subnet(index)) for index in range(ranges.CLUSTERS))
    results = preflight.run(fake(api="1.24", subnets=full, SystemTime="2020-01-01T00:00:00Z"))
    failed = [result for result in results if result.ok is False]
    assert [result.sentence for result in failed] == [
        "Docker's API is 1.41 or newer",
        "the clocks agree",
        "a subnet is free",
    ]
    assert all(result.detail for result in results)
    assert all(result.remedy for result in failed)


def test_api_versions_are_compared_as_numbers(fake: Fake) -> None:
    assert one(preflight.run(fake(api="1.41")), "API").ok
    assert one(preflight.run(fake(api="1.100")), "API").ok
    assert one(preflight.run(fake(api="1.9")), "API").ok is False


def test_what_a_stopped_cluster_holds_is_not_free(fake: Fake) -> None:
    """Nobody listens on its ports, and Docker prunes the network of machines that do not run."""
    free = preflight.run(fake())
    base = one(free, "ports").detail.partition(" ")[0]
    cidr = IPv4Network(one(free, "a subnet is free").detail)
    held = preflight.run(fake(marks=({labels.PORT_BASE: base, labels.ADDRESS: str(cidr[7])},)))
    assert int(one(held, "ports").detail.partition(" ")[0]) > int(base)
    assert not IPv4Network(one(held, "a subnet is free").detail).overlaps(cidr)


def test_a_subnet_that_docker_has_is_passed_over(fake: Fake) -> None:
    first = str(ranges.subnet(0))
    free = one(preflight.run(fake(subnets=(first, "fd00::/64"))), "a subnet is free")
    assert free.ok
    assert free.detail != first
    assert ranges.SUPERNET.supernet_of(IPv4Network(free.detail))


@pytest.mark.parametrize(
    "subnet", ["10.77.0.5/24", "10.77.0.0/255.255.255.0", "fd00::5/64", "::ffff:10.77.0.0/120", "", "dhcp", "10.77.0.0"]
)
def test_whatever_subnet_another_network_has_is_no_trouble(fake: Fake, subnet: str) -> None:
    results = preflight.run(fake(subnets=(subnet,)))
    assert [result for result in results if result.ok is False] == []
    assert one(results, "a subnet is free").detail == one(preflight.run(fake()), "a subnet is free").detail


def test_a_subnet_with_host_bits_takes_all_of_its_network(fake: Fake) -> None:
    taken = ranges.subnet(0)
    assert one(preflight.run(fake(subnets=(f"{taken[5]}/24",))), "a subnet is free").detail != str(taken)


def test_a_block_with_one_port_in_use_is_passed_over(fake: Fake) -> None:
    with socket.socket() as listener:
        index = next(i for i in range(ranges.CLUSTERS) if ranges.ports_free(ranges.port_base(i)))
        listener.bind(("127.0.0.1", ranges.port_base(index) + 7))
        listener.listen()
        found = one(preflight.run(fake()), "ports is free")
    assert found.ok
    assert not found.detail.startswith(str(ranges.port_base(index)))


def test_docker_desktop_is_judged_by_what_docker_says(fake: Fake) -> None:
    results = preflight.run(fake(OperatingSystem="Docker Desktop", MemTotal=1 * GIB))
    assert one(results, "memory").ok is False
    assert "as Docker says" in one(results, "memory").detail
    assert one(results, "disk").ok is None
    assert one(results, "inotify").ok is None


def test_a_docker_on_another_machine_is_refused(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://build.example.com")
    result = one(preflight.run(fake()), "Docker is on this machine")
    assert result.ok is False
    assert "ssh://build.example.com (DOCKER_HOST)" in result.detail
    assert "unset DOCKER_HOST" in result.remedy
    assert preflight.run() == [result]  # it is not even asked


def test_a_context_that_is_gone_is_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    (result,) = preflight.run()
    assert result.ok is False
    assert "the Docker context gone is not in" in result.detail
    assert "docker context ls" in result.remedy


def test_a_storage_that_copies_is_worth_knowing(fake: Fake) -> None:
    assert one(preflight.run(fake(Driver="vfs")), "storage").ok is None
    for driver in ("overlay2", "fuse-overlayfs", "btrfs", "overlayfs"):
        assert one(preflight.run(fake(Driver=driver)), "storage").ok


def test_rootless_docker_without_cgroups_is_refused(fake: Fake) -> None:
    """Tried: /proc/sys, iptables and tmpfs work there, and a task's cgroup can't be made."""
    result = one(preflight.run(fake(SecurityOptions=["name=rootless"], CgroupDriver="none")), "kernel we know")
    assert result.ok is False
    assert result.remedy.startswith("docker context use default")


def test_rootless_docker_is_worth_knowing_and_stops_nothing(fake: Fake) -> None:
    assert one(preflight.run(fake(SecurityOptions=["name=seccomp", "name=rootless"])), "kernel we know").ok is None


def test_without_image_registry_and_root_the_remedy_names_both_ways(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(image, "registry_answers", lambda client, patience: False)
    result = one(preflight.run(fake(images=False)), "machine image")
    assert result.ok is None
    assert "registry" in result.remedy
    assert "sudo" in result.remedy


def test_each_way_in_which_docker_is_not_there_has_its_own_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(**settings: object) -> None:
        raise DockerException("Error while fetching server API version")

    def remedy() -> str:
        (result,) = preflight.run()
        assert result.ok is False
        return result.remedy

    monkeypatch.setattr("docker.from_env", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert "unset DOCKER_HOST" in remedy()
    monkeypatch.delenv("DOCKER_HOST")

    there = tmp_path / "docker.sock"
    monkeypatch.setattr(preflight, "_SOCKET", there)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "docs.docker.com" in remedy()
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/sbin/{name}")
    assert "systemctl start docker" in remedy()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(there))
        assert "systemctl start docker" in remedy()  # a socket nobody listens on
        monkeypatch.setattr("socket.socket.connect", _permission_denied)
        assert "usermod -aG docker" in remedy()

    there.unlink()
    desktop = tmp_path / ".docker/run/docker.sock"
    desktop.parent.mkdir(parents=True)
    desktop.touch()
    assert remedy() == f"export DOCKER_HOST=unix://{desktop}"


def _permission_denied(*arguments: object) -> None:
    raise PermissionError


@pytest.mark.cluster
def test_on_this_machine_it_takes_less_than_a_second_and_stops_nothing() -> None:
    took = []
    for _ in range(3):  # other work on this machine may hold one of them up
        started = time.monotonic()
        results = preflight.run()
        took.append(time.monotonic() - started)
    assert min(took) < 1, took
    assert [result for result in results if result.ok is False] == []
