"""A total loss: every machine and every volume gone, new ones by `up --yes`, and everything back out of one archive."""

from __future__ import annotations

import json
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.snapshots import key_wrap
from hashistack.ops.snapshots.archive import verify
from hashistack.ops.snapshots.save import save

from .conftest import finish, free_subnet
from .datacenter import Datacenter
from .project import Project, labelled, until

PLACE = "/srv/snapshots"


@pytest.fixture(scope="module")
def own(docker_client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datacenter]:
    """A cluster of these tests alone, because they lose it. Its clients have a directory for snapshots."""
    project = Project.of_program(tmp_path_factory.mktemp("snapshots") / "project", "lost")
    volumes = {"snapshots": {"path": PLACE}}
    project.configure(
        cluster={
            "name": f"l{secrets.token_hex(2)}",
            "network": {"cidr": free_subnet(docker_client)},
            "clients": [{"name": "work", "desired": 2, "host_volumes": volumes}],
        }
    )
    try:
        project.run("up")
        yield Datacenter(docker_client, project)
    finally:
        finish(docker_client, project)


def _write(datacenter: Datacenter, value: str) -> None:
    """One of each that a user keeps in a cluster."""
    datacenter.vendor("consul", "kv", "put", "mine/key", value)
    datacenter.vendor("nomad", "var", "put", "-force", "mine/variable", f"value={value}")
    datacenter.vendor("vault", "kv", "put", "kv/default/mine", f"value={value}")


def _read(datacenter: Datacenter) -> dict[str, str]:
    secret = json.loads(datacenter.vendor("vault", "kv", "get", "-format=json", "kv/default/mine"))
    return {
        "consul": datacenter.vendor("consul", "kv", "get", "mine/key").strip(),
        "nomad": json.loads(datacenter.vendor("nomad", "var", "get", "-out=json", "mine/variable"))["Items"]["value"],
        "vault": secret["data"]["data"]["value"],
    }


def _job(datacenter: Datacenter) -> dict[str, Any]:
    """A service of two allocations, each of which needs the secret to start."""
    template = '{{ with secret "kv/data/default/mine" }}{{ .Data.data.value }}{{ end }}'
    task = {
        "Name": "mine",
        "Driver": "exec",
        "Config": {"command": "/bin/sh", "args": ["-c", "test -s secrets/mine && exec sleep 100000"]},
        "Vault": {"ChangeMode": "noop"},
        "Templates": [{"EmbeddedTmpl": template, "DestPath": "secrets/mine", "ChangeMode": "noop"}],
        "Resources": {"CPU": 20, "MemoryMB": 32},
    }
    return {
        "ID": "mine",
        "Type": "service",
        "Datacenters": [datacenter.connection.datacenter],
        "TaskGroups": [
            {
                "Name": "mine",
                "Count": 2,
                "Services": [{"Name": "mine", "Provider": "consul"}],
                "Tasks": [task],
            }
        ],
    }


def _running(datacenter: Datacenter) -> list[str]:
    """The machines, by name, that run the job now."""
    found = datacenter.nomad("/v1/job/mine/allocations")
    return sorted(a["NodeName"] for a in found if a["ClientStatus"] == "running" and a["DesiredStatus"] == "run")


def _lose_everything(datacenter: Datacenter) -> None:
    for machine in datacenter.machines():
        machine.container.remove(force=True, v=True)
    for volume in datacenter.client.volumes.list(filters=labelled(datacenter.site)):
        volume.remove(force=True)
    datacenter.log_in_again()


def test_f32_everything_is_back_on_new_machines(own: Datacenter, tmp_path: Path) -> None:
    _write(own, "kept")
    with Cluster(own.connection) as cluster:
        cluster.nomad.register(_job(own))
    until(lambda: len(_running(own)) == 2, 180, "the job runs")
    archive = tmp_path / "all.tar"
    own.project.run("snapshot", "save", str(archive))
    before = {machine.name for machine in own.machines()}

    _lose_everything(own)
    # A loss of everything must not look like success: the user says that it is to begin again.
    said = own.project.run("up", code=2)
    assert "has no server any more" in said
    assert "hashistack snapshot restore FILE" in said
    assert [one for one in own.servers if one.container.status == "running"] == []
    own.project.run("up", "--yes")
    assert own.status()["problems"] == [], "whoever said --yes knows that all was lost"
    said = own.project.run("snapshot", "restore", str(archive), code=2)
    assert "0 Nomad jobs, 0 Consul keys, 0 Vault secrets" in said
    assert "say --yes" in said
    own.project.run("snapshot", "restore", str(archive), "--yes")

    assert _read(own) == dict.fromkeys(("consul", "nomad", "vault"), "kept")
    until(lambda: len(_running(own)) == 2, 180, "the job runs")
    own.healthy()
    now = {machine.name for machine in own.machines()}
    assert set(_running(own)) <= now
    assert not before & now, "all machines are new"
    assert {node["Name"] for node in own.nomad("/v1/nodes")} == {m.name for m in own.clients}
    assert {node["Node"] for node in own.consul("/v1/catalog/nodes")} == now
    until(
        lambda: {node["Node"] for node in own.consul("/v1/catalog/service/mine")} == set(_running(own)),
        300,
        "Consul has the job's service again: its agents compare what they have each minute or two",
    )


def test_vault_unseals_with_the_restored_key_after_a_restart(own: Datacenter) -> None:
    """After the test before: the platform's store has the key that the archive brought."""
    server = own.servers[0]
    server.container.restart(timeout=5)
    own.healthy()
    assert _read(own)["vault"] == "kept"


def test_what_came_after_the_snapshot_is_gone_and_a_killed_restore_is_repeated(own: Datacenter, tmp_path: Path) -> None:
    _write(own, "then")
    archive = tmp_path / "then.tar"
    own.project.run("snapshot", "save", str(archive))
    _write(own, "later")
    with own.project.start("snapshot", "restore", str(archive), "--yes") as process:
        assert process.stdout
        for line in process.stdout:
            if "consul" in line and "is restored" in line:
                break
        own.project.kill()
        process.wait()
    until(lambda: _restored(own, archive), 240, "the lock of the killed one is over, and it is repeated")
    own.log_in_again()  # a login after the snapshot is gone with what came after it
    assert _read(own) == dict.fromkeys(("consul", "nomad", "vault"), "then")
    own.healthy()


def _restored(datacenter: Datacenter, archive: Path) -> bool:
    with datacenter.project.start("snapshot", "restore", str(archive), "--yes") as process:
        said, _ = process.communicate(timeout=600)
    assert process.returncode in (0, 2), said
    assert process.returncode == 0 or "the cluster's machines are being changed: a restore" in said, said
    return process.returncode == 0


def test_an_archive_of_another_stack_is_refused(own: Datacenter, tmp_path: Path) -> None:
    archive = tmp_path / "other.tar"
    own.project.run("snapshot", "save", str(archive))
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "parts", filter="data")
    manifest = tmp_path / "parts" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "stack": "0" * 64}))
    with tarfile.open(archive, "w") as tar:
        for name in ("manifest.json", "nomad.snap", "consul.snap", "vault.snap"):
            tar.add(tmp_path / "parts" / name, name)
    said = own.project.run("snapshot", "restore", str(archive), "--yes", code=2)
    assert "whose tokens are not this stack's" in said


def test_the_servers_take_snapshots_by_themselves(own: Datacenter) -> None:
    """Without a command by hand: into the project, where `snapshot list` finds them; `status` says of the last."""
    place = own.project.directory / ".hashistack" / "snapshots"
    found = until(lambda: sorted(place.glob("scheduled-*.tar")), 240, "a snapshot is taken")
    manifest = verify(found[-1]).manifest
    assert manifest.vault_init, "Vault's key, closed"
    assert manifest.stack == key_wrap.stack_digest(own.connection)
    assert json.loads(key_wrap.unclose(manifest.vault_init, own.connection))["keys_base64"]
    assert found[-1].stat().st_mode & 0o777 == 0o600

    def told() -> str:
        seen = own.status()["snapshot"]
        return str(seen["where"]) if seen else ""

    assert until(told, 60, "status says where it is").startswith(f"{place}/scheduled-")
    assert found[-1].name in own.project.run("snapshot", "list")


def test_scheduled_snapshots_are_whole_and_the_oldest_goes(own: Datacenter, tmp_path: Path) -> None:
    schedule = ("snapshot", "schedule", "--directory", PLACE, "--every", "12h", "--keep", "1")
    own.project.run(*schedule)
    own.project.run(*schedule)
    try:
        for machine in own.clients:
            kept = machine.sh(f"ls -A {PLACE}").split()
            assert len(kept) <= 1, "one stays, and nothing half done"
        holder = next(m for m in own.clients if m.sh(f"ls -A {PLACE}"))
        name = holder.sh(f"ls {PLACE}").strip()
        pieces, _ = holder.container.get_archive(f"{PLACE}/{name}")
        (tmp_path / "sent.tar").write_bytes(b"".join(pieces))
        with tarfile.open(tmp_path / "sent.tar") as tar:
            tar.extract(name, tmp_path, filter="data")
        manifest = verify(tmp_path / name).manifest
        with Cluster(own.connection) as cluster:
            mine = save(cluster, tmp_path / "mine.tar")
        assert manifest.stack == mine.stack
        assert manifest.vault_init, "Vault's key, closed"
        assert [part.version for part in manifest.parts] == [part.version for part in mine.parts]
        job = json.dumps(own.nomad("/v1/job/hashistack-snapshots?namespace=hashistack"))
        assert not [name for name, value in own.secrets().items() if value in job]
    finally:
        own.project.run("snapshot", "schedule", "--off")
    assert "hashistack" not in own.vendor("nomad", "namespace", "list")
