"""render and unbound as the machine image has them: its own jq, its own unbound. Real containers; a real image."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import docker
import pytest
from docker.models.containers import Container

from hashistack.local.image import build as image

from ..cluster.datacenter import Machine
from .cases import CASES, POOLS, configuration, role
from .conftest import wait_for
from .documents import DOCUMENTS

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).resolve().parents[2]
RUN = "/run/hashistack"
CONF = f"{RUN}/unbound/unbound.conf"
IP = "127.0.0.2"  # an address that a container without a network has


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    client = docker.from_env(timeout=60)
    made = client.containers.run(
        image.ensure(client, lambda text: None),
        ["600"],
        entrypoint="sleep",
        name=f"machine-test-{uuid4().hex[:8]}",
        network_mode="none",
        detach=True,
        init=True,
    )
    yield made
    made.remove(force=True, v=True)
    client.close()


def put(container: Container, files: dict[str, bytes]) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    assert container.put_archive("/", packed.getvalue())


def run(container: Container, *command: str) -> tuple[int, str]:
    return Machine(container).run(shlex.join(command))


def inside(container: Container, command: str) -> str:
    return Machine(container).sh(command)


def render(container: Container, case: str, pool: str) -> None:
    bundle = CASES[case].bundle(pool)
    inside(container, f"rm -rf /opt/hashistack {RUN} {RUN}.sock; mkdir -p /etc/hashistack {RUN}")
    facts = {"id": "i", "name": "m-1", "ip": IP, "zone": "z", "bundle": bundle.sha256}
    facts |= {"servers": 3, "quorum": 2, "expect": 3}
    metadata = f"HS_CLUSTER=x\nHS_ROLE={role(pool)}\nHS_POOL={pool}\nHS_BUNDLE={bundle.sha256}\n"
    put(
        container,
        {
            **{f"opt/hashistack/current/{path}": data for path, data in bundle.files.items()},
            "etc/hashistack/metadata": metadata.encode(),
            f"{RUN[1:]}/facts.json": json.dumps(facts).encode(),
            f"{RUN[1:]}/secrets.json": json.dumps(DOCUMENTS[role(pool)]).encode(),
        },
    )
    inside(container, f"chmod 755 /opt /opt/hashistack {RUN}; /opt/hashistack/current/bin/render")


@pytest.mark.parametrize(("case", "pool"), POOLS)
def test_unbound_takes_what_render_makes(container: Container, case: str, pool: str) -> None:
    render(container, case, pool)
    assert f"unbound-checkconf: no errors in {CONF}" in inside(container, f"unbound-checkconf {CONF}")
    consul = json.loads(inside(container, f"cat {RUN}/consul/consul.json"))
    assert consul["node_name"] == "m-1"
    assert consul.keys() == configuration(CASES[case].bundle(pool), "consul").keys()


def test_unbound_checkconf_finds_a_misspelt_setting(container: Container) -> None:
    render(container, "minimal", "workers")
    inside(container, f"sed -i s/prefetch:/pre-fetch:/ {CONF}")
    assert run(container, "unbound-checkconf", CONF)[0] != 0


def test_an_answer_that_comes_late_is_not_dropped(container: Container) -> None:
    render(container, "minimal", "workers")
    servers = [f"127.0.0.{last}" for last in range(11, 15)]
    inside(container, f"printf '  stub-addr: %s@8600\\n' {' '.join(servers)} >>{RUN}/unbound/stub.conf")
    container.exec_run(["unbound", "-d", "-c", CONF], detach=True)
    control = ["unbound-control", "-c", CONF]
    wait_for(lambda: run(container, *control, "status")[0] == 0)
    # Later than the 1.9 s after which unbound would by itself drop what it has found.
    said = in_its_network(container, "tests.machine.late_names", "2.1", "web.service.consul", *servers)
    assert "192.0.2.9" in said
    assert run(container, *control, "stop")[0] == 0


def test_questions_outlive_a_moment_in_which_unbound_takes_none(container: Container) -> None:
    render(container, "minimal", "workers")
    container.exec_run(["unbound", "-d", "-c", CONF], detach=True)
    control = ["unbound-control", "-c", CONF]
    wait_for(lambda: run(container, *control, "status")[0] == 0)
    container.reload()
    socket = f"/proc/{container.attrs['State']['Pid']}/root{RUN}/unbound.sock"
    assert int(in_its_network(container, "tests.machine.many_names", socket, "200")) == 8 * 200
    assert run(container, *control, "stop")[0] == 0


def in_its_network(container: Container, module: str, *arguments: str) -> str:
    """What a module of the tests prints, run by this Python in the container's network."""
    container.reload()
    within = ["nsenter", "--net", "--target", str(container.attrs["State"]["Pid"])]
    asked = [*within, sys.executable, "-m", module, *arguments]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_a_running_unbound_is_reached_after_its_configuration_was_rendered_again(container: Container) -> None:
    render(container, "minimal", "workers")
    container.exec_run(["unbound", "-d", "-c", CONF], detach=True)
    control = ["unbound-control", "-c", CONF]
    wait_for(lambda: run(container, *control, "status")[0] == 0)
    inside(container, "/opt/hashistack/current/bin/render")
    stub, line = f"{RUN}/unbound/stub.conf", "  stub-addr: 127.0.0.9@8600"
    inside(container, f"grep -qF '{line}' {stub} || echo '{line}' >>{stub}")
    assert run(container, *control, "reload")[0] == 0
    wait_for(lambda: "127.0.0.9" in run(container, *control, "list_stubs")[1])
    assert run(container, *control, "stop")[0] == 0
