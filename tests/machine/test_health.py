"""health: what a machine says of itself, from what its agents answer."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from hashistack.spec import ClientPool, ClusterSpec

from .cases import CASES, LAPTOP, Case
from .conftest import Start, wait_for
from .documents import DOCUMENTS
from .sandbox import ADDRESS, CURL, Sandbox

HEALTH = "/opt/hashistack/current/bin/health"
CONSUL = "127.0.0.1:8500/v1"
NOMAD = "localhost:4646/v1"
VAULT = "localhost:8200/v1"
DNS = '[ -e /standin/dns ] && [ "$*" = "hosts consul.service.consul" ]'
DOCKER = "docker/_ping"
PUSHED = f"{CONSUL}/agent/check/update/hashistack"


def booted(machine: Sandbox, role: str, *, curl: bool = True) -> Sandbox:
    pool = {"server": "server", "client": "workers"}[role]
    machine.install_bundle(CASES["minimal"].bundle(pool), role, pool)
    machine.facts(DOCUMENTS[role])
    machine.write("/run/hashistack/vault/tls/cert.pem", "CERT")
    if curl:
        machine.stand_in("curl", CURL)
        machine.stand_in("getent", DNS)
        machine.write("/standin/dns", "")
    return machine


def raft(port: int, *, voter: bool = True, address: str = ADDRESS) -> str:
    """A Raft configuration as Consul and Nomad answer it, with neighbours that look much the same."""
    addresses = {f"1{ADDRESS}": True, f"{ADDRESS}0": True, address: voter, "10.9.8.6": not voter}
    return json.dumps(
        {
            "Servers": [
                {"ID": f"id-{at}", "Node": f"n-{at}", "Address": f"{at}:{port}", "Leader": False, "Voter": votes}
                for at, votes in addresses.items()
            ],
            "Index": 0,
        },
        separators=(",", ":"),
    )


def vault_raft(*, voter: bool = True, name: str = "web-1") -> str:
    servers = [
        {"address": f"{node}:8201", "leader": False, "node_id": node, "protocol_version": "3", "voter": votes}
        for node, votes in {"web-11": True, name: voter, "web-2": not voter}.items()
    ]
    return json.dumps({"request_id": "r", "data": {"config": {"index": 0, "servers": servers}}}, separators=(",", ":"))


def well_server(machine: Sandbox) -> Sandbox:
    booted(machine, "server")
    machine.answer(f"{CONSUL}/operator/raft/configuration", raft(8300))
    machine.answer(f"{NOMAD}/operator/raft/configuration", raft(4647))
    machine.answer(f"{VAULT}/sys/health?standbyok=true", '{"initialized":true,"sealed":false}')
    machine.answer(f"{VAULT}/sys/storage/raft/configuration", vault_raft())
    return machine


def well_client(machine: Sandbox) -> Sandbox:
    booted(machine, "client")
    machine.answer(f"{CONSUL}/status/leader", '"10.9.8.1:8300"')
    machine.answer(f"{NOMAD}/agent/health?type=client", '{"client":{"ok":true}}')
    machine.answer("active.vault.service.consul:8200/v1/sys/health", '{"sealed":false}')
    machine.answer(DOCKER, "")
    return machine


MAKE = {"server": well_server, "client": well_client}


@pytest.fixture
def server(machine: Sandbox) -> Sandbox:
    return well_server(machine)


@pytest.fixture
def client(machine: Sandbox) -> Sandbox:
    return well_client(machine)


@pytest.fixture
def either(machine: Sandbox, role: str) -> Sandbox:
    """A well machine of the role that the test is parametrized with."""
    return MAKE[role](machine)


def said(machine: Sandbox) -> tuple[int, dict[str, Any]]:
    done = machine.run(HEALTH)
    assert done.stdout.count("\n") == 1, done
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    assert set(found) == {"ok", "machine", "role", "pool", "bundle", "checks"}
    assert done.returncode == (0 if found["ok"] else 1)
    return done.returncode, found


WELL = {
    "server": {"consul": "voter", "nomad": "voter", "vault": "voter", "dns": "answers"},
    "client": {"consul": "member", "nomad": "ready", "vault": "reachable", "dns": "answers", "docker": "answers"},
}


def test_a_server_that_votes_in_all_three_is_well(server: Sandbox) -> None:
    code, found = said(server)
    digest = CASES["minimal"].bundle("server").sha256
    identity = {"machine": "web-1", "role": "server", "pool": "server", "bundle": digest}
    assert (code, found) == (0, {"ok": True, **identity, "checks": WELL["server"]})


def test_a_client_that_is_ready_is_well(client: Sandbox) -> None:
    code, found = said(client)
    assert (code, found["checks"]) == (0, WELL["client"])


SERVER_ILLS: dict[str, tuple[str, str, int, str, str]] = {
    # what ails: (address, its answer, status code, check, what is said)
    "consul-no-vote": (
        f"{CONSUL}/operator/raft/configuration",
        raft(8300, voter=False),
        200,
        "consul",
        "not a voter yet",
    ),
    "consul-no-peer": (
        f"{CONSUL}/operator/raft/configuration",
        raft(8300, address="10.9.8.99"),
        200,
        "consul",
        "not a peer yet",
    ),
    "consul-refuses": (f"{CONSUL}/operator/raft/configuration", "Permission denied", 403, "consul", "no answer"),
    "consul-no-leader": (f"{CONSUL}/operator/raft/configuration", "No cluster leader", 500, "consul", "no answer"),
    "nomad-no-vote": (f"{NOMAD}/operator/raft/configuration", raft(4647, voter=False), 200, "nomad", "not a voter yet"),
    "nomad-no-peer": (
        f"{NOMAD}/operator/raft/configuration",
        raft(4647, address="10.9.8.99"),
        200,
        "nomad",
        "not a peer yet",
    ),
    "nomad-fails": (f"{NOMAD}/operator/raft/configuration", "no leader", 500, "nomad", "no answer"),
    "vault-new": (f"{VAULT}/sys/health?standbyok=true", "{}", 501, "vault", "not initialised"),
    "vault-sealed": (f"{VAULT}/sys/health?standbyok=true", "{}", 503, "vault", "sealed"),
    "vault-fails": (f"{VAULT}/sys/health?standbyok=true", "{}", 500, "vault", "no answer"),
    "vault-no-vote": (
        f"{VAULT}/sys/storage/raft/configuration",
        vault_raft(voter=False),
        200,
        "vault",
        "not a voter yet",
    ),
    "vault-no-peer": (
        f"{VAULT}/sys/storage/raft/configuration",
        vault_raft(name="web-3"),
        200,
        "vault",
        "not a peer yet",
    ),
    "vault-refuses": (f"{VAULT}/sys/storage/raft/configuration", "{}", 403, "vault", "not set up yet"),
}


@pytest.mark.parametrize("ill", SERVER_ILLS)
def test_a_server_with_one_ill_is_unwell_and_names_it(server: Sandbox, ill: str) -> None:
    url, body, status, check, words = SERVER_ILLS[ill]
    server.answer(url, body, status)
    code, found = said(server)
    assert (code, found["checks"]) == (1, {**WELL["server"], check: words})


CLIENT_ILLS: dict[str, tuple[str, str, int, str, str]] = {
    "consul-no-leader": (f"{CONSUL}/status/leader", '""', 200, "consul", "no leader"),
    "consul-fails": (f"{CONSUL}/status/leader", "x:y", 500, "consul", "no answer"),
    "nomad-not-ready": (f"{NOMAD}/agent/health?type=client", '{"client":{"ok":false}}', 500, "nomad", "not ready"),
}


@pytest.mark.parametrize("ill", CLIENT_ILLS)
def test_a_client_with_one_ill_is_unwell_and_names_it(client: Sandbox, ill: str) -> None:
    url, body, status, check, words = CLIENT_ILLS[ill]
    client.answer(url, body, status)
    code, found = said(client)
    assert (code, found["checks"]) == (1, {**WELL["client"], check: words})


def test_a_client_that_is_not_introduced_is_unwell_and_one_that_leaves_says_that_alone(client: Sandbox) -> None:
    for mark, words in (("refused", "not introduced"), ("leaving", "leaving")):
        client.write(f"/run/hashistack/{mark}", "")
        code, found = said(client)
        assert (code, found["checks"]) == (1, {**WELL["client"], "nomad": words})


def test_a_client_whose_docker_is_silent_is_unwell(client: Sandbox) -> None:
    client.path("/standin/answers/docker__ping").unlink()
    code, found = said(client)
    assert (code, found["checks"]) == (1, {**WELL["client"], "docker": "no answer"})


def test_a_client_without_the_docker_driver_says_nothing_of_docker(client: Sandbox) -> None:
    case = Case(ClusterSpec(clients=(ClientPool(name="workers", drivers=("exec",)),)), LAPTOP)
    client.install_bundle(case.bundle("workers"), "client", "workers")
    code, found = said(client)
    assert (code, found["checks"]) == (0, {k: v for k, v in WELL["client"].items() if k != "docker"})


def test_a_vault_that_is_away_makes_no_client_unwell(client: Sandbox) -> None:
    client.answer("active.vault.service.consul:8200/v1/sys/health", "{}", 503)
    assert said(client) == (0, {**said(client)[1], "ok": True, "checks": {**WELL["client"], "vault": "no answer"}})


@pytest.mark.parametrize("role", ["server", "client"])
def test_a_machine_whose_dns_is_silent_is_unwell(either: Sandbox, role: str) -> None:
    either.path("/standin/dns").unlink()
    code, found = said(either)
    assert (code, found["checks"]) == (1, {**WELL[role], "dns": "no answer"})


def test_a_server_logs_in_to_vault_by_its_certificate_and_keeps_the_token(server: Sandbox) -> None:
    url = f"{VAULT}/sys/storage/raft/configuration"
    server.answer(url, "{}", 403)
    server.answer(f"{VAULT}/auth/cert/login", '{"auth":{"accessor":"a","client_token":"hvb.new","policies":[]}}')
    assert said(server)[1]["checks"]["vault"] == "no answer", "the answer stays 403"
    assert server.read("/run/hashistack/api/vault") == "X-Vault-Token: hvb.new\n"
    server.answer(url, vault_raft())
    server.path("/standin/asked").unlink()
    assert said(server)[0] == 0
    assert "auth/cert/login" not in server.read("/standin/asked")


@pytest.mark.parametrize("role", ["server", "client"])
def test_no_secret_is_seen_among_the_arguments_of_a_process(either: Sandbox, role: str) -> None:
    said(either)
    asked = either.read("/standin/asked")
    assert asked.count("https://localhost:4646/") == 1
    assert "the-secret" not in asked
    for name in either.tree("/run/hashistack/api"):
        assert either.path(f"/run/hashistack/api/{name}").stat().st_mode & 0o077 == 0, name


@pytest.mark.parametrize("role", ["server", "client"])
def test_where_nothing_answers_it_says_so_soon(machine: Sandbox, role: str) -> None:
    booted(machine, role, curl=False)  # the real curl, the real resolver
    machine.write("/etc/resolv.conf", f"nameserver {ADDRESS}\noptions timeout:1 attempts:3\n")
    started = time.monotonic()
    code, found = said(machine)
    assert time.monotonic() - started < 10
    nomad = {"server": "no answer", "client": "not ready"}[role]
    expected = {"consul": "no answer", "nomad": nomad, "vault": "no answer", "dns": "no answer"}
    expected |= {"docker": "no answer"} if role == "client" else {}
    assert (code, found["ok"], found["checks"]) == (1, False, expected)


@pytest.mark.parametrize("role", ["server", "client"])
def test_a_look_at_those_who_do_not_answer_is_over_before_its_check_expires(either: Sandbox, role: str) -> None:
    said(either)
    asked = [int(seconds) for seconds in re.findall(r"--max-time (\d+)", either.read("/standin/asked"))]
    resolver, pause, ttl = 3, 5, 30
    assert len(asked) == {"server": 4, "client": 4}[role]
    assert sum(asked) + resolver + pause < ttl


def pushed(machine: Sandbox) -> dict[str, Any] | None:
    text = machine.sent(PUSHED)
    return json.loads(text) if text else None


@pytest.mark.parametrize("role", ["server", "client"])
def test_watch_tells_consul_what_health_says(either: Sandbox, role: str, start: Start) -> None:
    line = either.run(HEALTH).stdout
    either.answer(PUSHED, "")
    start(HEALTH, "watch")
    # What it began with may be told first.
    wait_for(lambda: pushed(either) == {"Status": "passing", "Output": line.rstrip("\n")})


def test_watch_tells_consul_of_an_ill_and_of_its_end(server: Sandbox, start: Start) -> None:
    url = f"{NOMAD}/operator/raft/configuration"
    server.answer(PUSHED, "")
    server.answer(url, "", 500)
    start(HEALTH, "watch")
    wait_for(lambda: pushed(server))
    first = pushed(server)
    assert first
    assert first["Status"] == "critical"
    assert json.loads(first["Output"])["checks"]["nomad"] == "no answer"
    server.answer(url, raft(4647))
    wait_for(lambda: (pushed(server) or {})["Status"] == "passing")


@pytest.mark.parametrize("nomad", ["ready", "starting"])
def test_a_client_reminds_nomad_of_vault_once_when_it_appears(client: Sandbox, start: Start, nomad: str) -> None:
    vault = "active.vault.service.consul:8200/v1/sys/health"
    client.stand_in("sv", 'echo "$*" >>/standin/sv')
    client.path(f"/standin/answers/{'active.vault.service.consul_8200_v1_sys_health'}").unlink()
    client.path("/standin/dns").unlink()  # unwell: it looks again soon
    if nomad == "starting":
        client.answer(f"{NOMAD}/agent/health?type=client", "", 500)
    client.answer(PUSHED, "")
    start(HEALTH, "watch")
    wait_for(lambda: pushed(client))
    assert not client.path("/standin/sv").exists()
    client.answer(vault, "{}")
    wait_for(lambda: '\\"vault\\":\\"reachable\\"' in (client.sent(PUSHED) or ""))
    asked = client.read("/standin/asked").count(PUSHED)
    wait_for(lambda: client.read("/standin/asked").count(PUSHED) > asked + 1)
    # One that starts looks by itself, and the signal would end it.
    assert client.tree("/standin").get("sv", "") == ("hup /etc/service/nomad\n" if nomad == "ready" else "")


def test_a_client_whose_servers_are_all_gone_joins_those_that_were_made_anew(client: Sandbox, start: Start) -> None:
    """Its agent asks who is there at its start alone."""
    client.stand_in("sv", 'echo "$*" >>/standin/sv')
    client.answer(f"{CONSUL}/status/leader", "No known Consul servers", 500)
    client.answer(PUSHED, "")
    start(HEALTH, "watch")
    restart = "restart /etc/service/consul"
    wait_for(lambda: restart in client.tree("/standin").get("sv", ""), 120)
    assert client.read("/standin/asked").count("/v1/status/leader") >= 30, "not for a moment without them"


@pytest.mark.parametrize("role", ["server", "client"])
def test_watch_tells_the_platform_once_that_the_machine_is_well(either: Sandbox, role: str, start: Start) -> None:
    either.path("/standin/dns").unlink()  # unwell: it looks again soon
    either.answer(PUSHED, "")
    process = start(HEALTH, "watch")
    wait_for(lambda: (either.sent(PUSHED) or "") and either.read("/standin/asked").count(PUSHED) > 1)
    assert "arrived" not in either.tree("/standin").get("verbs", "")
    either.write("/standin/dns", "")
    wait_for(lambda: "arrived\n" in either.tree("/standin").get("verbs", ""))
    wait_for(lambda: either.path("/run/hashistack/arrived").exists())
    # Nor does one that is started again, in the same boot.
    process.kill()
    process.wait()
    start(HEALTH, "watch")
    wait_for(lambda: len([line for line in either.said() if '"ok":true' in line]) > 1)  # said after it would tell
    assert either.read("/standin/verbs").splitlines().count("arrived") == 1


def test_watch_tells_the_platform_again_until_it_takes_it(server: Sandbox, start: Start) -> None:
    platform = server.bundle_path("bin/platform")
    failing = 'echo "$1" >>/standin/verbs; [ "$(grep -c "$1" /standin/verbs)" -gt 1 ]'
    platform.write_text(f"#!/bin/sh\n{failing}\n")
    server.answer(PUSHED, "", 500)  # it pushes again soon
    start(HEALTH, "watch")
    wait_for(lambda: server.path("/run/hashistack/arrived").exists())
    assert server.read("/standin/verbs") == "arrived\narrived\n"
