"""What a failed test's report shows of the machines, with fakes of platform and APIs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from hashistack.cli.project import Project
from hashistack.errors import HashistackError
from hashistack.ops.api.connection import Connection, Endpoint
from hashistack.testing.running_cluster import RunningCluster

CONNECTION = Connection(
    name="shop-1a2b",
    provider="local",
    datacenter="dc1",
    region="global",
    ca_pem="",
    operator_cert_pem="",
    operator_key_pem="operator-key",
    nomad=Endpoint("https://127.0.0.1:1", "nomad-token"),
    consul=Endpoint("https://127.0.0.1:1", "consul-token"),
    vault=Endpoint("https://127.0.0.1:1", "vault-password"),
    pools=(),
)
SECRETS = ("nomad-token", "operator-key", "gossip-key-of-state", "unseal-key-of-vault", "token-of-this-look")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunningCluster:
    driver = SimpleNamespace(
        instances=lambda: [SimpleNamespace(name="server-1", state="running")],
        vault_init=lambda: json.dumps({"unseal_keys_b64": ["unseal-key-of-vault"], "sealed": False}),
    )
    said = "\n".join(["early", *(f"said {secret}" for secret in SECRETS)])
    platform = SimpleNamespace(logs=lambda connection, name: {"vault.log": said, "other.log": "no"})
    monkeypatch.setattr("hashistack.platforms.driver", lambda connection: driver)
    monkeypatch.setattr("hashistack.platforms.operations", lambda provider: platform)
    made = RunningCluster(
        Project(tmp_path, "test"), CONNECTION, 1.0, harm=False, of_state=lambda: ["gossip-key-of-state"]
    )
    monkeypatch.setattr(made, "_cluster", SimpleNamespace(vault=SimpleNamespace(login=lambda: "token-of-this-look")))
    return made


def test_it_strikes_all_that_the_support_archive_strikes(cluster: RunningCluster) -> None:
    (text,) = cluster.said(len(SECRETS)).values()
    assert text.count("vault.log: said ") == len(SECRETS)
    assert not [secret for secret in SECRETS if secret in text]


def test_who_can_not_be_asked_hides_nothing_else(cluster: RunningCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> str:
        raise HashistackError("Vault is sealed")

    monkeypatch.setattr(cluster.api.vault, "login", refused)
    (text,) = cluster.said(1).values()
    assert "token-of-this-look" in text  # nobody has got it, so nobody knows it
    assert "unseal" not in cluster.said(2)["server-1 (running)"]
