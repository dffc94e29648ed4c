"""ensure-tokens and rotate-gossip: what the agents are asked for so that a rotated role document holds."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from .cases import CASES
from .documents import DOCUMENTS
from .sandbox import ADDRESS, CURL, Sandbox

BIN = "/opt/hashistack/current/bin"
RUN = "/run/hashistack"
CONSUL, NOMAD, VAULT = "127.0.0.1:8500/v1", "localhost:4646/v1", "localhost:8200/v1"
CONSUL_RING = "/var/lib/hashistack/consul/serf/local.keyring"
NOMAD_RING = "/var/lib/hashistack/nomad/server/serf.keyring"
OLD, NEW = (base64.b64encode(bytes([byte] * 32)).decode() for byte in (1, 2))
ROTATED = {"consul_gossip": NEW, "nomad_gossip": NEW}


def booted(machine: Sandbox, role: str, **document: str) -> Sandbox:
    pool = {"server": "server", "client": "workers"}[role]
    machine.install_bundle(CASES["minimal"].bundle(pool), role, pool)
    machine.facts({**DOCUMENTS[role], **document})
    machine.stand_in("curl", CURL)
    machine.stand_in("sv", 'echo "$*" >>/standin/sv')
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.01")
    return machine


def asked(machine: Sandbox) -> list[str]:
    """Method and address of each request, in order."""
    found = re.findall(r"-X (\w+) .*?%{http_code} \w+://(\S+)", machine.read("/standin/asked"), re.DOTALL)
    return [f"{method} {address}" for method, address in found]


def ring(machine: Sandbox, file: str, *keys: str) -> None:
    machine.write(file, json.dumps(keys))


def leader(machine: Sandbox, address: str = ADDRESS) -> None:
    machine.answer(f"{CONSUL}/status/leader", f'"{address}:8300"')
    machine.answer(f"{NOMAD}/status/leader", f'"{address}:4647"')


def consul_ring(keys: dict[str, int], primary: dict[str, int]) -> str:
    found = {"WAN": False, "Datacenter": "dc1", "Keys": keys, "PrimaryKeys": primary, "NumNodes": 5}
    return json.dumps([found])


def keyring(machine: Sandbox) -> int:
    done = machine.run(f"{BIN}/rotate-gossip")
    shown = done.stdout + done.stderr + machine.read("/standin/asked")
    assert OLD not in shown
    assert NEW not in shown
    return done.returncode


@pytest.mark.parametrize(
    ("keys", "primary", "order", "key"),
    [
        ({OLD: 5}, {OLD: 5}, "POST", NEW),
        ({OLD: 5, NEW: 3}, {OLD: 5}, "POST", NEW),
        ({OLD: 5, NEW: 5}, {OLD: 5}, "PUT", NEW),
        ({OLD: 5, NEW: 5}, {OLD: 1, NEW: 4}, "PUT", NEW),
        ({OLD: 5, NEW: 5}, {NEW: 5}, "DELETE", OLD),
        ({OLD: 1, NEW: 5}, {NEW: 5}, "DELETE", OLD),
    ],
    ids=[
        "none has it",
        "some lack it",
        "none uses it",
        "some do not use it",
        "the old is left",
        "on one the old is left",
    ],
)
def test_consuls_leader_asks_for_the_next_step(
    machine: Sandbox, keys: dict[str, int], primary: dict[str, int], order: str, key: str
) -> None:
    booted(machine, "server", **ROTATED)
    ring(machine, CONSUL_RING, OLD, NEW)
    leader(machine)
    machine.answer(f"{CONSUL}/operator/keyring", consul_ring(keys, primary))
    assert keyring(machine) != 0, "the list stays as it is here: it gives up, and is called again"
    asks = [line for line in asked(machine) if "keyring" in line]
    assert asks[:2] == [f"GET {CONSUL}/operator/keyring", f"{order} {CONSUL}/operator/keyring"]
    assert json.loads(machine.sent(f"{CONSUL}/operator/keyring") or "") == {"Key": key}
    assert len(asks) < 20


def test_a_settled_key_costs_no_request(machine: Sandbox) -> None:
    booted(machine, "server", **ROTATED)
    ring(machine, CONSUL_RING, NEW)
    ring(machine, NOMAD_RING, NEW)
    machine.write("/standin/asked", "")
    assert keyring(machine) == 0
    assert asked(machine) == []


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({OLD: 3}, [("install", NEW)]),
        ({OLD: 3, NEW: 2}, [("install", NEW)]),
        ({OLD: 3, NEW: 3}, [("use", NEW), ("remove", OLD)]),
    ],
)
def test_nomads_leader_asks_for_the_next_step(
    machine: Sandbox, keys: dict[str, int], wanted: list[tuple[str, str]]
) -> None:
    booted(machine, "server", **ROTATED)
    ring(machine, NOMAD_RING, OLD)
    leader(machine)
    machine.answer(f"{NOMAD}/agent/keyring/list", json.dumps({"Messages": {}, "Keys": keys, "NumNodes": 3}))
    for operation, _ in wanted:
        machine.answer(f"{NOMAD}/agent/keyring/{operation}", "{}")
    assert keyring(machine) != 0
    steps = [line for line in asked(machine) if "agent/keyring" in line]
    orders = [f"PUT {NOMAD}/agent/keyring/{operation}" for operation, _ in wanted]
    assert steps[: len(orders) + 1] == [f"GET {NOMAD}/agent/keyring/list", *orders]
    for operation, key in wanted:
        assert json.loads(machine.sent(f"{NOMAD}/agent/keyring/{operation}") or "") == {"Key": key}


def test_who_does_not_lead_waits_to_be_told(machine: Sandbox) -> None:
    booted(machine, "client", **ROTATED)
    ring(machine, CONSUL_RING, OLD)
    leader(machine, "10.9.8.6")
    for _ in range(3):
        assert keyring(machine) == 0
    assert set(asked(machine)) == {f"GET {CONSUL}/status/leader"}
    assert json.loads(machine.read(CONSUL_RING)) == [OLD]


@pytest.mark.parametrize(("first", "anew"), [(OLD, True), (NEW, False)])
def test_who_missed_the_rotation_starts_anew(machine: Sandbox, first: str, anew: bool) -> None:
    booted(machine, "client", **ROTATED)
    ring(machine, CONSUL_RING, first, OLD)
    machine.answer(f"{CONSUL}/status/leader", "No known Consul servers", code=500)
    keyring(machine)
    assert machine.path(CONSUL_RING).exists(), "an election takes a moment"
    keyring(machine)
    assert machine.path(CONSUL_RING).exists() is not anew
    orders = machine.path("/standin/sv")
    assert orders.exists() is anew
    if anew:
        assert orders.read_text() == "restart /etc/service/consul\n"


def adopt(machine: Sandbox, **changed: Any) -> tuple[int, str]:
    held = json.loads(machine.read(f"{RUN}/secrets.json"))
    machine.write(f"{RUN}/secrets.new", json.dumps({**held, **changed}))
    done = machine.run(f"{BIN}/ensure-tokens", f"{RUN}/secrets.new")
    shown = done.stdout + done.stderr + (machine.read("/standin/asked") if changed else "")
    assert "the-secret" not in shown
    return done.returncode, done.stdout


def test_a_renewed_certificate_asks_nobody(machine: Sandbox) -> None:
    booted(machine, "client")
    machine.write("/standin/asked", "")
    assert adopt(machine, cert="RENEWED", consul_gossip="the-secret-other") == (0, "")
    assert asked(machine) == []


def test_new_tokens_are_good_once_they_work(machine: Sandbox) -> None:
    booted(machine, "client")
    machine.answer(f"{CONSUL}/acl/token/self", "{}")
    assert adopt(machine, consul_dns="the-secret-new") == (0, "")
    machine.answer(f"{CONSUL}/acl/token/self", "ACL not found", code=403)
    code, said = adopt(machine, consul_dns="the-secret-new")
    assert code == 1
    assert said == "hashistack: consul_dns of the role document is not known yet\n"
    assert {line for line in asked(machine) if not line.startswith("GET")} == set(), "a client makes none"


def test_nomads_management_token_is_made_again_by_the_leader(machine: Sandbox) -> None:
    booted(machine, "server")
    leader(machine)
    machine.path("/var/lib/hashistack/nomad/server").mkdir(parents=True)
    machine.answer(f"{NOMAD}/acl/token/self", "ACL token not found", code=403)
    refused = "ACL bootstrap already done (reset index: 17)"
    machine.answer(f"{NOMAD}/acl/bootstrap", refused, code=400)
    adopt(machine, nomad_management="the-secret-new")
    assert json.loads(machine.sent(f"{NOMAD}/acl/bootstrap") or "") == {"BootstrapSecret": "the-secret-new"}
    asks = [line for line in asked(machine) if "acl/bootstrap" in line]
    assert len(asks) >= 2
    assert not machine.path("/var/lib/hashistack/nomad/server/acl-bootstrap-reset").exists()


def test_a_server_gives_the_operator_the_new_password_by_its_own_certificate(machine: Sandbox) -> None:
    booted(machine, "server")
    machine.answer(f"{VAULT}/auth/userpass/login/operator", "invalid username or password", code=400)
    machine.answer(f"{VAULT}/auth/cert/login", '{"auth":{"client_token":"the-secret-token"}}')
    machine.answer(f"{VAULT}/auth/userpass/users/operator/password", "", code=204)
    adopt(machine, vault_operator_password="the-secret-new")
    sent = machine.sent(f"{VAULT}/auth/userpass/users/operator/password")
    assert json.loads(sent or "") == {"password": "the-secret-new"}
