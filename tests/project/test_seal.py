"""Vault's own `gcpckms` seal against the stand-ins: no cluster, one Vault.

The seal has no setting for its endpoint: it asks `cloudkms.googleapis.com`, and trusts what the machine trusts.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from hashistack.gcp.pools.platform import platform
from hashistack.toolchain import resolve

from ..box.authority import Authority
from ..machine.cases import CASES
from ..machine.conftest import wait_for
from .accounts import Tokens
from .iam import Iam
from .kms import Key, Kms
from .metadata import Instance, Metadata

NAME = "projects/x-project/locations/europe-west1/keyRings/ring/cryptoKeys/vault"
SERVER = "server@x-project.iam.gserviceaccount.com"
_PID = os.getpid()
KMS = f"127.{96 + _PID // 65536 % 32}.{_PID // 256 % 256}.{_PID % 256}"
"""An address of this process: the port is Google's, and tests run side by side."""
VAULT = f"{KMS}:8200"
# Its own view of one file: whatever else runs here knows Google by another address.
_OWN_HOSTS = 'mount --bind "$1" /etc/hosts && exec "$2" server -config "$3"'


class World:
    def __init__(self, directory: Path) -> None:
        self.directory, self.tokens, self.iam = directory, Tokens(), Iam()
        authority = Authority(directory)
        certificate = authority.issue(["cloudkms.googleapis.com"], KMS)
        self.kms = Kms(f"{KMS}:443", certificate, self.tokens, self.iam)
        self.kms.keys[NAME] = Key()
        instance = Instance("1", "prod-server-0000", "10.9.8.7", SERVER)
        self.metadata = Metadata(lambda address: instance, self.tokens)
        self.environment = {
            **os.environ,
            "GCE_METADATA_HOST": self.metadata.start(),
            "SSL_CERT_FILE": str(authority.pem),
            "HOME": str(directory),
        }
        (directory / "hosts").write_text(f"127.0.0.1 localhost\n{KMS} cloudkms.googleapis.com\n")
        configuration = {
            "disable_mlock": True,
            "api_addr": f"http://{VAULT}",
            "listener": {"tcp": {"address": VAULT, "tls_disable": True}},
            "cluster_addr": f"http://{KMS}:8201",
            "storage": {"raft": {"path": str(directory / "data"), "node_id": "one", "performance_multiplier": 1}},
            "seal": platform(("169.254.169.254",), NAME).seal,
        }
        (directory / "data").mkdir()
        (directory / "vault.json").write_text(json.dumps(configuration))
        self.vault: subprocess.Popen[bytes] | None = None

    def allow(self) -> None:
        """What the component gives to the servers."""
        for role in ("cryptoKeyEncrypterDecrypter", "viewer"):
            self.iam.bind(f"serviceAccount:{SERVER}", f"roles/cloudkms.{role}", NAME)

    def start(self) -> subprocess.Popen[bytes]:
        paths = (
            self.directory / "hosts",
            resolve("vault", CASES["minimal"].spec.versions.vault).path,
            self.directory / "vault.json",
        )
        command = ["unshare", "--mount", "sh", "-c", _OWN_HOSTS, "sh", *map(str, paths)]
        with (self.directory / "log").open("ab") as log:
            self.vault = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        return self.vault

    def stop(self) -> None:
        if self.vault:
            self.vault.kill()
            self.vault.wait()

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def call(self, path: str, body: Any = None) -> Any:
        """An answer of Vault; None where it does not answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{VAULT}/v1/{path}", data, method="PUT" if data else "GET")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return json.load(answer)
        except OSError:
            return None

    def answers(self) -> None:
        """Returns when Vault does."""

        def ready() -> Any:
            assert self.vault and self.vault.poll() is None, self.log()
            return self.call("sys/seal-status")

        wait_for(ready)

    def sealed(self) -> bool | None:
        said = self.call("sys/seal-status")
        return None if said is None else bool(said["sealed"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.stop()
    made.metadata.stop()
    made.kms.close()


def test_vault_opens_itself_after_a_restart_and_after_a_rotation(world: World) -> None:
    world.allow()
    world.start()
    world.answers()
    made = world.call("sys/init", {"recovery_shares": 1, "recovery_threshold": 1})
    assert made["recovery_keys"], world.log()
    wait_for(lambda: world.sealed() is False)
    world.stop()
    world.kms.rotate(NAME)
    asked = len(world.kms.seen)
    world.start()
    wait_for(lambda: world.sealed() is False)
    assert "cloudkms.Decrypt" in {seen.method for seen in world.kms.seen[asked:]}
    assert {seen.whose for seen in world.kms.seen} == {SERVER}
    assert world.kms.refused == []


def test_without_the_right_to_see_the_key_vault_does_not_start(world: World) -> None:
    """Google's role for a key's use lacks `cloudkms.cryptoKeys.get`: the component adds the viewer's."""
    world.iam.bind(f"serviceAccount:{SERVER}", "roles/cloudkms.cryptoKeyEncrypterDecrypter", NAME)
    assert world.start().wait(60) != 0
    assert "cloudkms.cryptoKeys.get" in world.log()


def test_while_the_key_service_is_down_vault_stays_closed_and_its_data_whole(world: World) -> None:
    world.allow()
    world.start()
    world.answers()
    assert world.call("sys/init", {"recovery_shares": 1, "recovery_threshold": 1})["root_token"]
    world.stop()
    world.kms.outage = lambda seen: grpc.StatusCode.PERMISSION_DENIED
    assert world.start().wait(60) != 0, "whoever supervises it starts it again"
    world.kms.outage = lambda seen: None
    world.start()
    wait_for(lambda: world.sealed() is False)
