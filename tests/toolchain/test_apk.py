"""Alpine's packages of our making, and the real apk and OpenRC of an Alpine."""

from __future__ import annotations

import gzip
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hashistack.toolchain import alpine, apk, host_arch, resolve
from hashistack.toolchain.tool import Tool, ToolError

from ..box.alpine import image
from ..cluster.project import until
from .conftest import written

KEY = "packages.rsa"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> apk.Key:
    return apk.key(written(rsa.generate_private_key(65537, 2048), tmp_path_factory.mktemp("key") / KEY))


@pytest.fixture(scope="module")
def consul() -> Tool:
    return resolve("consul", "1.22.3", host_arch(), static=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, key: apk.Key, consul: Tool) -> Path:
    directory = tmp_path_factory.mktemp("packages")
    alpine.publish([consul], key, directory)
    return directory


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[[Path], Callable[..., tuple[int, str]]]]:
    """Boots an Alpine beside a repository; returns what runs a command there: exit code and output."""
    client = docker.from_env()
    started: list[Any] = []

    def boot(repository: Path) -> Callable[..., tuple[int, str]]:
        container = client.containers.run(
            image.userland(client),
            "/sbin/machine-init",
            detach=True,
            tmpfs={"/run": "mode=755,exec"},
            volumes={str(repository): {"bind": "/srv/packages", "mode": "ro"}},
        )
        started.append(container)

        def run(command: str) -> tuple[int, str]:
            code, output = container.exec_run(["sh", "-c", command])
            return code, output.decode()

        until(lambda: run("rc-status -r")[1].strip() == "default", 60, "it has booted")
        assert run("echo /srv/packages >/etc/apk/repositories")[0] == 0
        return run

    yield boot
    for container in started:
        container.remove(force=True)
    client.close()


def trusted(run: Callable[..., tuple[int, str]], key: apk.Key) -> None:
    assert run(f"echo {shlex.quote(key.public_pem.decode())} >/etc/apk/keys/{key.name}")[0] == 0


def test_a_machine_that_trusts_the_key_installs_a_service_and_runs_it(
    machine: Callable[[Path], Callable[..., tuple[int, str]]], repository: Path, key: apk.Key
) -> None:
    run = machine(repository)
    trusted(run, key)
    code, said = run("apk add consul && consul version")
    assert code == 0, said
    assert "Consul v1.22.3" in said
    code, said = run("rc-update add consul && rc-service consul start")
    assert code == 0, said
    until(
        lambda: run("curl -sf http://127.0.0.1:8500/v1/agent/self")[0] == 0,
        60,
        lambda: run("cat /var/log/consul.log")[1],
    )
    assert run("stat -c %U /proc/$(pidof consul | cut -d' ' -f1) /var/lib/consul")[1].split() == ["consul", "consul"]
    assert run("rc-service consul stop && apk del consul")[0] == 0


def test_a_machine_without_the_key_refuses(
    machine: Callable[[Path], Callable[..., tuple[int, str]]], repository: Path
) -> None:
    run = machine(repository)
    code, said = run("apk add consul")
    assert code != 0
    assert "UNTRUSTED" in said
    code, said = run(f"apk add /srv/packages/{image.ARCH}/*.apk")
    assert code != 0
    assert "UNTRUSTED" in said
    assert run("consul version")[0] != 0


def test_a_package_that_was_changed_is_refused(
    machine: Callable[[Path], Callable[..., tuple[int, str]]], repository: Path, key: apk.Key, tmp_path: Path
) -> None:
    (tmp_path / image.ARCH).mkdir()
    for path in (repository / image.ARCH).iterdir():
        data = bytearray(path.read_bytes())
        if path.suffix == ".apk":
            data[-(len(data) // 2)] ^= 1
        (tmp_path / image.ARCH / path.name).write_bytes(data)
    run = machine(tmp_path)
    trusted(run, key)
    code, said = run("apk add consul")
    assert code != 0, said
    assert run("rc-service consul start")[0] != 0


def test_the_same_tool_and_key_make_the_same_bytes(
    repository: Path, key: apk.Key, consul: Tool, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    alpine.publish([consul], key, again)
    files = [path.relative_to(again) for path in again.rglob("*") if path.is_file()]
    assert len(files) == 3
    for file in files:
        assert (again / file).read_bytes() == (repository / file).read_bytes(), file


def test_an_index_has_what_earlier_runs_made(key: apk.Key, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    for name in ("nomad", "vault"):
        alpine.publish([Tool(name, "1.2.3", "arm64", program, "", "test")], key, tmp_path / "all")
    index = (tmp_path / "all" / "aarch64" / apk.INDEX).read_bytes()
    assert sorted(path.name for path in (tmp_path / "all" / "aarch64").glob("*.apk")) == [
        "nomad-1.2.3-r0.apk",
        "vault-1.2.3-r0.apk",
    ]
    assert [line for line in gzip.decompress(index).decode(errors="replace").splitlines() if line[:2] == "P:"] == [
        "P:nomad",
        "P:vault",
    ]


def test_a_file_that_only_looks_like_a_package_is_named(key: apk.Key, tmp_path: Path) -> None:
    (tmp_path / "half-1.0-r0.apk").write_bytes(gzip.compress(b"half a package"))
    with pytest.raises(ToolError, match=r"half-1\.0-r0\.apk: not a signed package"):
        apk.write_index(key, tmp_path, "")
    assert not (tmp_path / apk.INDEX).exists()


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (lambda path: None, "there is no such key"),
        (lambda path: path.write_text("hello"), "no private key in PEM without a passphrase"),
        (lambda path: written(ec.generate_private_key(ec.SECP256R1()), path), "not an RSA key"),
    ],
    ids=["none", "no key", "another kind"],
)
def test_a_key_that_can_not_sign_is_one_clear_error(tmp_path: Path, make: Callable[[Path], object], wrong: str) -> None:
    path = tmp_path / KEY
    make(path)
    with pytest.raises(ToolError, match=f"{path}: {wrong}.*openssl genrsa -out {path}"):
        apk.key(path)
