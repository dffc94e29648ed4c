"""load-images: what is in a machine's Docker before any registry is asked."""

from __future__ import annotations

import io
import tarfile
from urllib.parse import quote

import pytest

from .cases import CASES
from .sandbox import CURL, Sandbox, file_of

LOAD = "/opt/hashistack/current/bin/load-images"
LOADED = "/run/hashistack/images-loaded"
PAUSE = "docker/images/hashistack/pause:1/json"
ENTRYPOINT = '["/usr/bin/busybox","sleep","2147483647"]'
CREATE = f"docker/images/create?fromSrc=-&repo=hashistack/pause&tag=1&changes=ENTRYPOINT%20{quote(ENTRYPOINT)}"
ARCHIVES = "docker/images/load?quiet=1"


@pytest.fixture
def client(machine: Sandbox) -> Sandbox:
    machine.install_bundle(CASES["minimal"].bundle("workers"), "client", "workers")
    machine.stand_in("curl", CURL)
    machine.stand_in("sleep", "")
    images = "#!/bin/sh\n[ ! -e /standin/kept ] || cat /standin/kept\n"
    machine.bundle_path("bin/platform").write_text(images)
    for url in ("docker/_ping", CREATE, ARCHIVES):
        machine.answer(url, "")
    return machine


def test_the_pause_image_is_made_of_the_machines_own_busybox(client: Sandbox) -> None:
    done = client.run(LOAD)
    assert (done.returncode, done.stdout.replace("curl: (7) Failed to connect\n", "")) == (0, "")
    packed = client.path(f"/standin/sent.{file_of(CREATE)}").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        files = {member.name: member for member in tar.getmembers()}
    assert files["usr/bin/busybox"].isreg()
    assert all(member.isreg() for member in files.values()), "no link leads out of the image"
    assert client.path(LOADED).exists()


def test_it_is_made_once(client: Sandbox) -> None:
    client.answer(PAUSE, "{}")
    assert client.run(LOAD).returncode == 0
    assert CREATE not in client.read("/standin/asked")


def test_what_the_platform_keeps_is_loaded_and_one_that_is_broken_holds_up_no_other(client: Sandbox) -> None:
    client.answer(PAUSE, "{}")
    client.write("/standin/kept", "/platform/images/broken.tar\n/platform/images/web:1.tar\n")
    fails = 'case "$*" in *broken.tar*) echo "curl: (22) 500" >&2; exit 22 ;; esac\n'
    client.stand_in("curl", fails + CURL)
    done = client.run(LOAD)
    assert done.returncode == 0
    assert "hashistack: can't load /platform/images/broken.tar" in done.stdout
    assert "-T /platform/images/web:1.tar" in client.read("/standin/asked")
    assert client.path(LOADED).exists()


def test_one_archive_alone_can_be_loaded_and_a_failure_is_told(client: Sandbox) -> None:
    assert client.run(f"{LOAD}", "/platform/images/web:1.tar").returncode == 0
    assert not client.path(LOADED).exists()
    client.path(f"/standin/answers/{file_of(ARCHIVES)}").unlink()
    done = client.run(f"{LOAD}", "/platform/images/web:1.tar")
    assert done.returncode == 1
    assert "hashistack: can't load /platform/images/web:1.tar" in done.stdout


def test_a_docker_that_never_answers_is_given_up(client: Sandbox) -> None:
    client.path(f"/standin/answers/{file_of('docker/_ping')}").unlink()
    done = client.run(LOAD)
    assert done.returncode == 1
    assert "hashistack: Docker does not answer" in done.stdout
    assert not client.path(LOADED).exists()
