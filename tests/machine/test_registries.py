"""Registries on the machine: what Docker and Nomad are told of them, and that none of it is secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hashistack.secrets import pki
from hashistack.spec import ClientPool, ClusterSpec
from hashistack.spec.registries import Registry

from .cases import LAPTOP, Case, configuration

CA = pki.authority("a registry's CA", timedelta(days=9), datetime.now(UTC)).cert_pem
POOLS = (ClientPool(name="web"), ClientPool(name="batch", drivers=("exec",)))
HUB = Registry(host="docker.io", mirrors=("https://m.example.com:5000",))
MIRROR = Registry(host="m.example.com:5000", ca=CA)
PRIVATE = Registry(host="r.example.com", credentials="vault")
PLAIN = Case(ClusterSpec(name="x", clients=POOLS), LAPTOP)


def case(*registries: Registry) -> Case:
    return Case(ClusterSpec(name="x", clients=POOLS, registries=registries), LAPTOP)


def test_docker_gets_mirrors_and_cas() -> None:
    bundle = case(HUB, MIRROR).bundle("web")
    assert configuration(bundle, "docker")["registry-mirrors"] == ["https://m.example.com:5000"]
    assert bundle.files["certs.d/m.example.com:5000/ca.crt"].decode() == CA
    assert "docker-auth.json" not in bundle.files
    assert "auth" not in configuration(bundle, "nomad")["plugin"]["docker"]["config"]


def test_nomad_asks_the_helper_for_the_registries_with_credentials_alone() -> None:
    bundle = case(HUB, MIRROR, PRIVATE).bundle("web")
    auth = configuration(bundle, "nomad")["plugin"]["docker"]["config"]["auth"]
    assert auth == {"config": "/opt/hashistack/current/docker-auth.json"}
    assert json.loads(bundle.files["docker-auth.json"]) == {"credHelpers": {"r.example.com": "hashistack"}}
    assert "bin/docker-credential-hashistack" in bundle.files


def test_vault_lets_clients_read_them_only_where_there_are_some() -> None:
    vault = json.loads(case(PRIVATE).bundle("server").files["bootstrap.json"])["vault"]
    assert vault["policies"]["registries"] == 'path "kv/data/hashistack/registries/*" { capabilities = ["read"] }\n'
    assert vault["registries"]["allowed_dns_sans"] == ["client.global.nomad"]
    assert vault["registries"]["token_ttl"] == "1m"
    without = json.loads(case(HUB, MIRROR).bundle("server").files["bootstrap.json"])["vault"]
    assert "registries" not in without
    assert "registries" not in without["policies"]


def test_only_machines_that_need_it_are_others() -> None:
    made = case(HUB, MIRROR)
    assert {pool for pool in made.pools if made.bundle(pool).sha256 != PLAIN.bundle(pool).sha256} == {"web"}
    made = case(PRIVATE)
    assert {pool for pool in made.pools if made.bundle(pool).sha256 != PLAIN.bundle(pool).sha256} == {"web", "server"}
