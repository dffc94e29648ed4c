"""The job of scheduled snapshots as data, and its program under both shells, with the vendors' own snapshots."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.snapshots import key_wrap
from hashistack.ops.snapshots.archive import FORMAT, verify
from hashistack.ops.snapshots.destination import Bucket, Directory
from hashistack.ops.snapshots.save import SnapshotFailed, save
from hashistack.ops.snapshots.schedule import NAMESPACE, SECRET, cron, job

from ..region.signatures import Keyring, Refused, Request

if TYPE_CHECKING:
    from hashistack.ops.api.connection import Connection

PROGRAM = str(files("hashistack.ops.snapshots").joinpath("snapshot-task"))
HEALTH = '{"Servers":[{"Leader":false,"Version":"1.0.0"},{"Leader":true,"Version":"%s+ent","X":1}]}'

CURL = """#!/bin/sh
for url; do :; done
case $url in http://127.0.0.1:*/kept/*) exec /usr/bin/curl "$@" ;; esac
while [ "$1" != -o ]; do shift; done
case $url in
http://localhost/v1/operator/snapshot) cp "$SNAPS/nomad.snap" "$2" ;;
http://127.0.0.1:8500/v1/snapshot) cp "$SNAPS/consul.snap" "$2" ;;
https://vault.test:8200/v1/sys/storage/raft/snapshot) cp "$SNAPS/vault.snap" "$2" ;;
*/autopilot/health) cp "$SNAPS/health" "$2" ;;
*/sys/health) echo '{"initialized":true,"version":"1.21.2"}' >"$2" ;;
*) echo "no such place: $url" >&2; exit 22 ;;
esac
"""
"""Stands in for the three APIs at the addresses that the task asks."""


def wanted() -> dict[str, Any]:
    return job("dc1", "global", "web", Directory("/srv", 3), "volume", "0 */1 * * *", "dc.example")


def test_intervals_become_times_of_day() -> None:
    told = {300: "*/5 * * * *", 3600: "0 */1 * * *", 43200: "0 */12 * * *", 86400: "0 0 * * *", 604800: "0 0 * * 0"}
    assert {seconds: cron(seconds) for seconds in told} == told
    for seconds in (60, 420, 5400, 18000, 172800):
        with pytest.raises(SnapshotFailed, match="--every must be a part of an hour or a day"):
            cron(seconds)


def test_the_job_reads_its_tokens_by_identity_in_a_namespace_of_its_own() -> None:
    (task,) = wanted()["TaskGroups"][0]["Tasks"]
    assert wanted()["Namespace"] == NAMESPACE != "default"
    *secret, program = task["Templates"]
    assert all(f'with secret "kv/data/{SECRET}"' in template["EmbeddedTmpl"] for template in secret)
    assert "{{" not in program["EmbeddedTmpl"], "Nomad would take it for a template's"
    assert task["Env"]["VAULT_URL"] == "https://active.vault.service.dc.example:8200"
    assert wanted()["Periodic"]["ProhibitOverlap"] is True


@pytest.fixture
def place(connection: Connection, tmp_path: Path) -> Path:
    """A task's surroundings: secrets, a volume, a stand-in for curl, and real snapshots for it to hand out."""
    with Cluster(connection) as cluster:
        save(cluster, tmp_path / "real.tar")
    for name in ("secrets", "volume", "bin", "snaps"):
        (tmp_path / name).mkdir()
    with tarfile.open(tmp_path / "real.tar") as tar:
        tar.extractall(tmp_path / "snaps", filter="data")
    (tmp_path / "snaps" / "health").write_text(HEALTH % "1.11.3")
    (tmp_path / "bin" / "curl").write_text(CURL)
    (tmp_path / "bin" / "curl").chmod(0o755)
    named = {"cluster": "shop-1", "datacenter": "dc1", "region": "global", "vault_init": ""}
    beginning = {"format": FORMAT, **named, "stack": key_wrap.stack_digest(connection)}
    (tmp_path / "secrets" / "manifest").write_text(json.dumps(beginning).removesuffix("}"))
    (tmp_path / "secrets" / "vault_token").write_text("hvs.x")
    return tmp_path


def run(place: Path, shell: str, keep: int = 2, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "NOMAD_SECRETS_DIR": str(place / "secrets"),
        "PLACE": str(place / "volume"),
        "SNAPS": str(place / "snaps"),
        "KEEP": str(keep),
        "VAULT_URL": "https://vault.test:8200",
        **more,
    }
    return subprocess.run([*shell.split(), PROGRAM], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
def test_the_task_writes_what_the_command_verifies(place: Path, shell: str) -> None:
    (place / "volume" / ".scheduled").mkdir()
    (place / "volume" / ".scheduled" / "nomad.snap").write_text("a killed run's")
    done = run(place, shell)
    assert done.returncode == 0, done.stderr
    (file,) = (place / "volume").iterdir()
    manifest, real = verify(file).manifest, verify(place / "real.tar").manifest
    assert manifest.cluster == "shop-1"
    assert [(p.index, p.sha256) for p in manifest.parts] == [(p.index, p.sha256) for p in real.parts]
    assert [p.version for p in manifest.parts] == ["1.11.3", "1.11.3", "1.21.2"]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
def test_the_oldest_go_and_what_others_put_there_stays(place: Path, shell: str) -> None:
    volume = place / "volume"
    for name in ("scheduled-2026-01-01T00-00-00Z.tar", "scheduled-2026-01-02T00-00-00Z.tar", "2025-mine.tar"):
        (volume / name).write_text("")
    assert run(place, shell).returncode == 0
    left = sorted(file.name for file in volume.iterdir())
    assert left[:2] == ["2025-mine.tar", "scheduled-2026-01-02T00-00-00Z.tar"]
    assert len(left) == 3


@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
@pytest.mark.parametrize("product", ["nomad", "consul", "vault"])
def test_a_snapshot_that_is_cut_off_leaves_nothing(place: Path, shell: str, product: str) -> None:
    part = place / "snaps" / f"{product}.snap"
    part.write_bytes(part.read_bytes()[:-200])
    done = run(place, shell)
    assert done.returncode == 1
    assert f"{product}: the snapshot" in done.stderr
    assert not list((place / "volume").iterdir())


@pytest.fixture
def s3() -> Iterator[ThreadingHTTPServer]:
    """Takes what is signed by the key that it has issued, as botocore would sign it, and keeps it in `kept`."""
    keyring = Keyring()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            url = f"http://{self.headers['Host']}{self.path}"
            try:
                keyring.verify(Request("PUT", url, tuple(self.headers.items()), body))
            except Refused as refused:
                self.send_response(403)
                self.end_headers()
                self.wfile.write(str(refused).encode())
                return
            server.kept[self.path] = body  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing to standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.kept, server.keyring = {}, keyring  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("shell", ["dash", "busybox sh"])
def test_to_a_bucket_goes_what_the_command_verifies(place: Path, shell: str, s3: Any) -> None:
    keys = s3.keyring.issue("snapshots", None)
    (place / "secrets" / "bucket").write_text(f'user = "{keys.access_key}:{keys.secret_key}"')
    objects = f"http://127.0.0.1:{s3.server_port}/kept/prod"
    done = run(place, shell, OBJECTS=objects, REGION="eu-central-1")
    assert done.returncode == 0, done.stderr
    ((path, body),) = s3.kept.items()
    assert path.startswith("/kept/prod/scheduled-20")
    (place / "got.tar").write_bytes(body)
    assert verify(place / "got.tar").manifest.cluster == "shop-1"
    assert not list((place / "volume").iterdir()), "nothing stays on the machine"

    (place / "secrets" / "bucket").write_text(f'user = "{keys.access_key}:the-wrong-one"')
    refused = run(place, shell, OBJECTS=objects, REGION="eu-central-1")
    assert refused.returncode == 1
    assert "not in the bucket: " in refused.stderr
    assert "the-wrong-one" not in refused.stderr


def test_a_bucket_is_read_out_of_awss_variables() -> None:
    key = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu-central-1"}
    made = Bucket.parse("s3://kept/prod/", key)
    assert (made.objects, made.region) == ("https://kept.s3.eu-central-1.amazonaws.com/prod", "eu-central-1")
    assert made.user == "AKIA:secret"
    assert "secret" not in repr(made)
    assert (
        Bucket.parse("s3://kept", {**key, "AWS_ENDPOINT_URL": "http://store:9000/"}).objects == "http://store:9000/kept"
    )
    with pytest.raises(SnapshotFailed, match="AWS_SECRET_ACCESS_KEY, AWS_REGION not set"):
        Bucket.parse("s3://kept", {"AWS_ACCESS_KEY_ID": "AKIA"})
    with pytest.raises(SnapshotFailed, match="these credentials end within hours"):
        Bucket.parse("s3://kept", {**key, "AWS_SESSION_TOKEN": "x"})
