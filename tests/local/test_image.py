"""The machine image boots, retries, stops and restarts as a machine does. Real containers; a real image.

Of a bundle, its program that ends the services is there.
"""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from types import SimpleNamespace
from uuid import uuid4

import docker
import pytest
from docker.models.containers import Container

from hashistack.local.image import build as image
from hashistack.local.image import recipe

from ..cluster.datacenter import Machine

Boot = Callable[..., Container]
STOP = {
    "opt/hashistack/current/bin/shutdown": files("hashistack.machine").joinpath("node", "boot", "shutdown").read_text()
}
SERVICE = """#!/bin/sh
trap 'echo {name} got TERM; exit 0' TERM
echo {name} is up
while :; do sleep 0.05; done
"""


SOON = 15
"""Seconds: far from the 30 after which Docker kills, and enough for a machine that does other work too."""


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def put(container: Container, files: dict[str, str], links: dict[str, str] | None = None) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content.encode()), 0o755
            tar.addfile(member, io.BytesIO(content.encode()))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    assert container.put_archive("/", packed.getvalue())


def said(container: Container) -> str:
    return container.logs().decode()


def inside(container: Container, command: str) -> str:
    return Machine(container).sh(command)


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env(timeout=60)
    yield client
    client.close()


@pytest.fixture(params=["dash", "busybox ash"])
def boot(request: pytest.FixtureRequest, client: docker.DockerClient) -> Iterator[Boot]:
    """Starts a machine with these files in place; every sh program on it runs under the shell of the test."""
    made: list[Container] = []

    def start(more: dict[str, str] | None = None) -> Container:
        container = client.containers.create(
            image.ensure(client, lambda text: None), name=f"setup-{uuid4().hex[:8]}", network_mode="none"
        )
        made.append(container)
        links = {"usr/bin/sh": "busybox"} if request.param == "busybox ash" else {}
        put(container, {**STOP, **(more or {})}, links)
        container.start()
        return container

    yield start
    for container in made:
        container.remove(force=True, v=True)


def stop(container: Container) -> tuple[float, int]:
    started = time.monotonic()
    container.stop(timeout=30)
    took = time.monotonic() - started
    container.reload()
    return took, container.attrs["State"]["ExitCode"]


@pytest.mark.cluster
def test_user_data_runs_before_the_services_that_it_puts_in_place(boot: Boot) -> None:
    user_data = "#!/bin/sh\necho hello from user data\ncp -a /staged/web /etc/service/web\n"
    machine = boot({"etc/hashistack/user-data": user_data, "staged/web/run": SERVICE.format(name="web")})
    wait_until(lambda: "web is up" in said(machine))
    assert "hello from user data" in said(machine)
    assert inside(machine, "cat /var/log/user-data.log") == "hello from user data\n"
    assert inside(machine, "ps -o args= -p 1").split() == ["/bin/sh", "/sbin/machine-init"]


@pytest.mark.cluster
def test_a_failing_user_data_is_retried_until_its_cause_heals(boot: Boot) -> None:
    user_data = "[ -e /healed ] || { echo the bundle is not there yet; exit 7; }\necho converged\n"
    machine = boot({"etc/hashistack/user-data": user_data})
    wait_until(lambda: "attempt 2" in said(machine))
    assert "user-data failed with exit code 7 (attempt 1); the next attempt is in 1 s" in said(machine)
    assert "converged" not in said(machine)
    inside(machine, "touch /healed")
    wait_until(lambda: "converged" in said(machine))
    wait_until(lambda: "runsvdir" in inside(machine, "ps -e -o args="))


@pytest.mark.cluster
def test_a_machine_stops_while_its_user_data_fails_or_hangs(boot: Boot) -> None:
    for user_data in ("echo reached; exit 1", "echo reached; sleep 1000"):
        machine = boot({"etc/hashistack/user-data": user_data})
        wait_until(lambda machine=machine: "reached" in said(machine))
        took, code = stop(machine)
        assert (code, took < SOON) == (0, True)


@pytest.mark.cluster
def test_a_machine_that_is_taken_away_goes_on_and_starts_nothing_once_it_has_ended(boot: Boot) -> None:
    machine = boot({"etc/service/web/run": SERVICE.format(name="web"), "platform/note": ""})
    wait_until(lambda: "web is up" in said(machine))
    inside(machine, "echo 1795501240 >/platform/terminating")
    machine.kill("SIGPWR")
    inside(machine, "rm -f /platform/note")  # by now PID 1 has seen the signal
    assert inside(machine, "cat /platform/terminating") == "1795501240\n", "a limit that is known stays"
    inside(machine, "rm -f /platform/terminating")
    machine.kill("SIGPWR")
    wait_until(lambda: inside(machine, "ls /platform") == "terminating\nwake\n")
    # A line for each signal.
    inside(machine, "timeout 10 sh -c 'read -r _ </platform/wake && read -r _ </platform/wake'")
    assert "runsvdir" in inside(machine, "ps -e -o args=")
    assert stop(machine)[1] == 0
    machine.start()
    wait_until(lambda: "hashistack: this machine was taken away: it starts nothing any more" in said(machine))
    assert "runsvdir" not in inside(machine, "ps -e -o args=")
    took, code = stop(machine)
    assert (code, took < SOON) == (0, True)


@pytest.mark.cluster
def test_docker_stop_ends_services_by_term_and_in_order(boot: Boot) -> None:
    names = ("unbound", "consul", "vault", "nomad")
    machine = boot({f"etc/service/{name}/run": SERVICE.format(name=name) for name in names})
    wait_until(lambda: all(f"{name} is up" in said(machine) for name in names))
    took, code = stop(machine)
    assert code == 0
    assert took < SOON, f"{took:.1f} s"
    ends = [line.split()[0] for line in said(machine).splitlines() if line.endswith("got TERM")]
    assert ends == ["nomad", "vault", "consul", "unbound"]


@pytest.mark.cluster
def test_a_service_that_ignores_term_is_named_and_killed(boot: Boot) -> None:
    machine = boot({"etc/service/unbound/run": "#!/bin/sh\ntrap : TERM\necho up\nwhile :; do sleep 0.05; done\n"})
    wait_until(lambda: "up" in said(machine))
    took, code = stop(machine)
    assert code == 0
    assert took < 25, f"{took:.1f} s"
    assert "hashistack: unbound did not stop in time and is killed" in said(machine)


@pytest.mark.cluster
def test_a_restart_runs_user_data_and_services_again(boot: Boot) -> None:
    machine = boot({"etc/hashistack/user-data": "echo booted", "etc/service/web/run": SERVICE.format(name="web")})
    wait_until(lambda: "web is up" in said(machine))
    machine.restart(timeout=30)
    wait_until(lambda: said(machine).count("web is up") == 2)
    assert said(machine).count("booted") == 2
    assert said(machine).count("web got TERM") == 1


@pytest.mark.cluster
def test_orphans_are_reaped(boot: Boot) -> None:
    machine = boot()
    inside(machine, "(sleep 0.1 &) ; true")
    wait_until(lambda: "sleep" not in inside(machine, "ps -e -o comm="))
    # Another child of process 1 may just have ended.
    wait_until(lambda: "Z" not in inside(machine, "ps -e -o stat="))


@pytest.mark.cluster
def test_what_machines_must_not_share_is_not_in_the_image(boot: Boot) -> None:
    machine = boot()
    assert inside(machine, "ls /etc/machine-id /etc/unbound/*.key /etc/unbound/*.pem 2>/dev/null || true") == ""
    assert inside(machine, "ls -A /etc/service") == ""
    for program in (
        "unbound",
        "curl",
        "jq",
        "openssl",
        "ip",
        "iptables",
        "httpd",
        "runsvdir",
        "sv",
        "svlogd",
    ):
        inside(machine, f"command -v {program}")
    for user in ("consul", "nomad", "vault"):
        assert int(inside(machine, f"id -u {user}")) < 1000


@pytest.mark.cluster
def test_no_program_of_the_image_is_setuid(boot: Boot) -> None:
    """Where Docker maps users, a setuid-root program is another user's: `mount` failed on clients."""
    assert inside(boot(), "find / -xdev -type f -perm /6000") == ""


@pytest.mark.cluster
def test_a_cached_image_is_found_at_once(client: docker.DockerClient) -> None:
    first = image.ensure(client, lambda text: None)
    told: list[str] = []
    started = time.monotonic()
    assert image.ensure(client, told.append) == first
    assert time.monotonic() - started < 5  # to make one takes minutes, with progress
    assert told == []


def test_a_registry_that_swallows_the_question_is_as_good_as_none() -> None:
    release = threading.Event()

    def get(name: str) -> None:
        raise docker.errors.ImageNotFound(name)

    asked = SimpleNamespace(images=SimpleNamespace(get=get, get_registry_data=lambda name: release.wait(30)))
    started = time.monotonic()
    assert not image.registry_answers(asked, patience=0.2)
    assert time.monotonic() - started < 5
    release.set()


def test_the_image_is_named_by_its_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.tag()
    assert image.tag() == before
    monkeypatch.setattr(recipe, "ALPINE", "alpine:0")
    assert image.tag() != before
