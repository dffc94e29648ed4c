"""Registries of the specification: a mirror with a CA of its own, a private one with credentials from Vault."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.web_job import JOB as WEB
from bench.web_job import job
from hashistack.ops.api.cluster import Cluster

from .conftest import Registries
from .datacenter import Datacenter, Machine
from .project import until
from .test_docker import IMAGE

JOB = """
job "{name}" {{
  type = "batch"
  constraint {{
    attribute = "${{node.unique.name}}"
    value     = "{machine}"
  }}
  group "one" {{
    reschedule {{
      attempts  = 0
      unlimited = false
    }}
    restart {{
      attempts = 0
      mode     = "fail"
    }}
    task "one" {{
      driver = "docker"
      config {{
        image      = "{image}"
        force_pull = true
        entrypoint = ["busybox"]
        args       = ["true"]
      }}
      resources {{
        cpu    = 20
        memory = 32
      }}
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def saved(datacenter: Datacenter) -> bytes:
    """An image that runs on the machines."""
    machine = datacenter.clients[0]
    machine.sh(f"docker save -o /root/registry.tar {IMAGE}")
    pieces, _ = machine.container.get_archive("/root/registry.tar")
    whole = b"".join(pieces)  # at once: until then Docker lets nobody else to the machine
    machine.sh("rm /root/registry.tar")
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        archive = tar.extractfile("registry.tar")
        assert archive
        return archive.read()


def ran(datacenter: Datacenter, directory: Path, image: str, machine: Machine) -> tuple[str, str]:
    """How a job with the image ended on a machine, and all that its task's events say."""
    name = f"pull-{secrets.token_hex(2)}"
    file = directory / f"{name}.nomad.hcl"
    file.write_text(JOB.format(name=name, image=image, machine=machine.name))
    datacenter.vendor("nomad", "job", "run", "-detach", str(file))
    found: list[dict[str, object]] = []

    def over() -> bool:
        found[:] = datacenter.nomad(f"/v1/job/{name}/allocations")
        return bool(found) and found[0]["ClientStatus"] in ("complete", "failed")

    try:
        until(over, 180, lambda: f"{name} is over: {found}")
        events = found[0]["TaskStates"]["one"]["Events"]  # type: ignore[index]
        return str(found[0]["ClientStatus"]), "\n".join(event["DisplayMessage"] for event in events)
    finally:
        datacenter.vendor("nomad", "job", "stop", "-purge", "-detach", name)


@pytest.fixture
def place(datacenter: Datacenter, registries: Registries) -> Iterator[str]:
    """Where Vault has the private registry's credentials: none are there before the test, nor after it."""
    where = f"kv/hashistack/registries/{registries.private.host}"
    datacenter.vendor("vault", "kv", "metadata", "delete", where)
    yield where
    datacenter.vendor("vault", "kv", "metadata", "delete", where)


@pytest.fixture
def ca_of_another(datacenter: Datacenter, registries: Registries) -> Iterator[Machine]:
    """A machine that takes another CA for the private registry's."""
    machine = datacenter.clients[0]
    place = f"/etc/docker/certs.d/{registries.private.host}/ca.crt"
    machine.sh(f"cp /run/hashistack/api/ca.pem {place}")
    yield machine
    machine.sh(f"cp /opt/hashistack/current/certs.d/{registries.private.host}/ca.crt {place}")


def test_an_image_comes_through_the_mirror(
    datacenter: Datacenter, registries: Registries, saved: bytes, tmp_path: Path
) -> None:
    registries.mirror.serve("library/mirrored", "1", saved)
    status, events = ran(datacenter, tmp_path, "mirrored:1", datacenter.clients[0])
    assert status == "complete", events
    assert "/v2/library/mirrored/manifests/1" in registries.mirror.asked


def test_credentials_come_from_vault_at_each_pull_and_are_kept_nowhere(
    datacenter: Datacenter, registries: Registries, place: str, saved: bytes, tmp_path: Path
) -> None:
    host, client = registries.private.host, datacenter.clients[0]
    registries.private.serve("shop/web", "1", saved)
    status, events = ran(datacenter, tmp_path, f"{host}/shop/web:1", client)
    assert status == "failed"
    assert f"Vault has no credentials for {host}: vault kv put {place} username=NAME" in events
    put = ("kv", "put", place, "username=robot")
    datacenter.vendor("vault", *put, f"password={registries.password}")
    status, events = ran(datacenter, tmp_path, f"{host}/shop/web:1", client)
    assert status == "complete", events
    places = "/run /opt/hashistack /var/log /var/lib/hashistack /etc /root"
    found = client.sh(f"grep -rlsF --exclude-dir=docker -e '{registries.password}' {places} || :")
    assert found.strip() == ""
    # Another pair is in force with the next pull.
    datacenter.vendor("vault", *put, "password=another")
    status, events = ran(datacenter, tmp_path, f"{host}/shop/web:1", client)
    assert (status, "another" in events) == ("failed", False)
    assert "unauthorized" in events.lower() or "who are you?" in events


def test_a_registry_with_another_ca_or_away_is_named_in_the_tasks_events(
    datacenter: Datacenter, registries: Registries, place: str, ca_of_another: Machine, tmp_path: Path
) -> None:
    host = registries.private.host
    datacenter.vendor("vault", "kv", "put", place, "username=robot", f"password={registries.password}")
    status, events = ran(datacenter, tmp_path, f"{host}/shop/web:1", ca_of_another)
    assert status == "failed"
    assert f'Failed to pull `{host}/shop/web:1`: Error response from daemon: Get "https://{host}/v2/"' in events
    assert "certificate signed by unknown authority" in events
    away = f"{host.partition(':')[0]}:1"  # nobody listens there
    status, events = ran(datacenter, tmp_path, f"{away}/shop/web:1", ca_of_another)
    assert status == "failed"
    assert f"Failed to pull `{away}/shop/web:1`" in events
    assert "connection refused" in events


def test_a_pull_that_hangs_does_not_keep_a_drain_from_its_deadline(
    datacenter: Datacenter, registries: Registries, saved: bytes
) -> None:
    registries.mirror.serve("library/slow", "1", saved)
    web = job(datacenter.connection.datacenter, datacenter.connection.region, count=2)
    (group,) = web["TaskGroups"]
    group["Migrate"]["MaxParallel"] = 1  # the second one waits for the first one's successor
    group["Tasks"][0]["Config"]["image"] = "slow:1"

    def where() -> list[str]:
        found = datacenter.nomad(f"/v1/job/{WEB}/allocations")
        return [one["NodeName"] for one in found if one["ClientStatus"] == "running"]

    with Cluster(datacenter.connection) as cluster:
        here = {client.name for client in datacenter.clients}
        old, new = (node for node in cluster.nomad.nodes() if node.name in here)
        try:
            cluster.nomad.set_eligible(new, False)
            cluster.nomad.register(web)
            until(lambda: where() == [old.name] * 2, 120, lambda: str(where()))
            cluster.nomad.set_eligible(new, True)
            asked = len(registries.mirror.asked)
            with registries.mirror.silent():
                cluster.nomad.drain(old, 10)
                until(lambda: registries.mirror.asked[asked:], 60, "the other machine pulls")
                assert where() == [old.name]
                until(lambda: not datacenter.nomad(f"/v1/node/{old.id}")["DrainStrategy"], 60, "the drain is over")
                until(lambda: not where(), 60, lambda: str(where()))
            until(lambda: where() == [new.name] * 2, 120, lambda: str(where()))
        finally:
            for node in (old, new):
                cluster.nomad.undrain(node)
            datacenter.vendor("nomad", "job", "stop", "-purge", "-detach", WEB)
