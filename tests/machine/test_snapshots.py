"""The snapshots that servers take at intervals: whose Vault is active takes them, and Consul says of the last one."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hashistack.ops.snapshots.archive import verify
from hashistack.ops.snapshots.last import LastSnapshot

from .conftest import Start, wait_for
from .documents import SERVER
from .sandbox import CURL, Sandbox
from .test_services import lines, only_dash, pass_by, rendered

BIN = "/opt/hashistack/current/bin"
RECORD = "127.0.0.1:8500/v1/kv/hashistack/snapshots"
LOST = "127.0.0.1:8500/v1/kv/hashistack/lost"
HEALTH = "localhost:8200/v1/sys/health"
SNAPSHOTS = {
    "nomad": "localhost:4646/v1/operator/snapshot",
    "consul": "127.0.0.1:8500/v1/snapshot",
    "vault": "localhost:8200/v1/sys/storage/raft/snapshot",
}


def snapshot(index: int, damaged: bool = False) -> bytes:
    """A vendor's snapshot as small as can be."""
    members = {"meta.json": json.dumps({"Index": index, "Term": 2}).encode(), "state.bin": b"all there is"}
    sums = {name: hashlib.sha256(data + b"!" * damaged).hexdigest() for name, data in members.items()}
    members["SHA256SUMS"] = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


@pytest.fixture
def server(machine: Sandbox) -> Sandbox:
    """The active server of a cluster that has taken none yet."""
    server = rendered(machine, "server")
    # curl -o FILE, where there is a snapshot at the address.
    given = ""
    for number, (product, url) in enumerate(SNAPSHOTS.items()):
        server.write(f"/standin/{product}.snap", snapshot(number))
        given += f'*{url}) cp /standin/{product}.snap "${{told%% *}}"; exit ;;\n'
    to_file = f'told="$*"; told=${{told#*-o }}; case "$*" in *" -o "*) case "$*" in {given} esac ;; esac'
    server.stand_in("curl", f"{to_file}\n{CURL}")
    health = json.dumps({"Servers": [{"Leader": False, "Version": "1"}, {"Leader": True, "Version": "1.11.3+ent"}]})
    server.answer("localhost:4646/v1/operator/autopilot/health", health)
    server.answer("127.0.0.1:8500/v1/operator/autopilot/health", health)
    server.answer("localhost:8200/v1/auth/cert/login", '{"auth":{"client_token":"the-secret-of-vault"}}')
    server.answer(HEALTH, '{"version":"1.21.2"}')
    server.answer(LOST, "", 404)
    server.answer(f"{RECORD}?raw=true", "", 404)
    server.answer(RECORD, "true")
    server.write("/standin/secrets/vault-init-closed", "closed.key")
    keep = """#!/bin/sh
case $1 in keep) cp "$2" "/standin/$3"; echo "$4" >>/standin/retained; echo "/home/me/$3"; exit ;; esac
"""
    server.write(f"{BIN}/stand-in", server.bundle_path("bin/platform").read_bytes(), 0o755)
    server.write(f"{BIN}/platform", f'{keep}exec "{BIN}/stand-in" "$@"\n', 0o755)
    return server


def record(server: Sandbox) -> LastSnapshot:
    wait_for(lambda: server.sent(RECORD))
    return LastSnapshot.parse(json.loads(server.sent(RECORD) or ""))


def test_an_archive_is_whole_and_consul_says_where_it_is(server: Sandbox, start: Start) -> None:
    start(f"{BIN}/snapshots", "3600", "72")
    said = record(server)
    name = Path(said.where).name
    archive = verify(server.path(f"/standin/{name}"))
    assert [part.product for part in archive.manifest.parts] == ["nomad", "consul", "vault"]
    assert {part.version for part in archive.manifest.parts} == {"1.11.3", "1.21.2"}
    assert archive.manifest.vault_init == "closed.key"
    ids = (SERVER["nomad_management"], SERVER["consul_management"], SERVER["vault_operator_password"])
    assert archive.manifest.stack == hashlib.sha256("\n".join(("hashistack snapshot", *ids)).encode()).hexdigest()
    assert (said.every, said.size, said.error) == (3600, server.path(f"/standin/{name}").stat().st_size, "")
    assert said.where == f"/home/me/{name}"
    assert lines(server, "retained") == ["72"]
    wait_for(lambda: not server.path("/var/lib/hashistack/snapshots").exists())  # its parts
    assert "the-secret" not in "".join((server.read("/standin/asked"), *server.said()))


@only_dash
def test_the_next_one_is_taken_when_it_is_due_and_by_the_active_server_alone(server: Sandbox, start: Start) -> None:
    def taken(before: timedelta) -> str:
        return json.dumps({"every": 3600, "taken": (datetime.now(UTC) - before).strftime("%Y-%m-%dT%H:%M:%SZ")})

    server.answer(f"{RECORD}?raw=true", taken(timedelta(minutes=59)))
    start(f"{BIN}/snapshots", "3600", "72")
    pass_by(server, "slept", 3)
    assert server.sent(RECORD) is None, "not due"
    server.answer(HEALTH, '{"version":"1.21.2"}', 429)
    pass_by(server, "slept", 2)
    server.answer(f"{RECORD}?raw=true", taken(timedelta(minutes=61)))
    pass_by(server, "slept", 3)
    assert server.sent(RECORD) is None, "another server's business"
    server.answer(HEALTH, '{"version":"1.21.2"}')
    assert record(server).taken is not None


@only_dash
def test_none_is_taken_of_servers_that_began_with_nothing_until_that_is_settled(server: Sandbox, start: Start) -> None:
    server.answer(LOST, '[{"Key":"hashistack/lost"}]')
    start(f"{BIN}/snapshots", "3600", "72")
    pass_by(server, "slept", 3)
    assert server.sent(RECORD) is None, "it would push a good one out"
    server.answer(LOST, "", 404)
    assert record(server).taken is not None


@only_dash
def test_without_the_closed_key_none_is_taken(server: Sandbox, start: Start) -> None:
    server.path("/standin/secrets/vault-init-closed").unlink()
    start(f"{BIN}/snapshots", "3600", "72")
    pass_by(server, "slept", 3)
    assert server.sent(RECORD) is None
    server.write("/standin/secrets/vault-init-closed", "closed.key")
    assert record(server).taken is not None


def test_a_damaged_part_is_no_archive_and_is_said(server: Sandbox, start: Start) -> None:
    server.write("/standin/consul.snap", snapshot(1, damaged=True))
    start(f"{BIN}/snapshots", "3600", "72")
    said = record(server)
    assert said.taken is None
    assert "consul: the snapshot is not what its own SHA256SUMS says" in said.error
    assert said.since is not None
    assert not lines(server, "retained")


def test_where_none_are_taken_nothing_is_said_of_any(server: Sandbox, start: Start) -> None:
    start(f"{BIN}/snapshots", "0", "72")
    wait_for(lambda: "-X DELETE" in "".join(lines(server, "asked")) and RECORD in lines(server, "asked")[-1])
