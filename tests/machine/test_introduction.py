"""introduce-clients and introduction: how new clients get leave to register with Nomad."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from hashistack.machine.bundle import render
from hashistack.spec.versions import Versions

from .cases import CASES, binaries
from .documents import DOCUMENTS
from .introductions import token
from .sandbox import ADDRESS, CURL, Sandbox, file_of

BIN = "/opt/hashistack/current/bin"
RUN = "/run/hashistack"
NOMAD = "localhost:4646"
GIVE = f"{NOMAD}/v1/acl/identity/client-introduction-token"
KEYS = f"{NOMAD}/.well-known/jwks.json"
NODE = f"{NOMAD}/v1/node/node-1"
CLIENT = "/var/lib/hashistack/nomad/client"
TOKEN = f"{CLIENT}/intro_token.jwt"


def booted(machine: Sandbox, role: str) -> Sandbox:
    pool = {"server": "server", "client": "workers"}[role]
    machine.install_bundle(CASES["minimal"].bundle(pool), role, pool)
    machine.facts(DOCUMENTS[role])
    machine.stand_in("curl", CURL)
    machine.stand_in("sv", 'echo "$*" >>/standin/sv')
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.01")
    return machine


@pytest.fixture
def leader(machine: Sandbox) -> Sandbox:
    booted(machine, "server")
    machine.answer(f"{NOMAD}/v1/status/leader", f'"{ADDRESS}:4647"')
    machine.answer(KEYS, json.dumps({"keys": [{"kid": "key-1"}, {"kid": "key-2"}]}))
    machine.answer(GIVE, json.dumps({"JWT": token()}))
    machine.write("/standin/pools", "web default\nbatch heavy\n\n")  # a cloud's answer ends in an empty line
    return machine


def given(machine: Sandbox) -> dict[str, str]:
    """Pool to the introduction that was put where its machines read it, since the last look."""
    found = {
        path.name.removeprefix("introduced."): path.read_text()
        for path in machine.path("/standin").glob("introduced.*")
    }
    for path in machine.path("/standin").glob("introduced.*"):
        path.unlink()
    return found


def introduce(machine: Sandbox, code: int = 0) -> str:
    done = machine.run(f"{BIN}/introduce-clients")
    assert done.returncode == code, done.stdout
    assert ".c2ln" not in done.stdout + machine.read("/standin/asked"), "the token is nobody's business"
    assert DOCUMENTS["server"]["nomad_management"] not in machine.read("/standin/asked")
    return done.stdout


def test_the_server_that_leads_gives_each_pool_one_for_its_node_pool(leader: Sandbox) -> None:
    assert introduce(leader) == ""
    assert set(given(leader)) == {"web", "batch"}
    first, last = (json.loads(leader.sent(GIVE, which) or "") for which in ("first", "sent"))
    assert first == {"NodePool": "default", "TTL": "1h"}
    assert last == {"NodePool": "heavy", "TTL": "1h"}
    introduce(leader)
    assert given(leader) == {}, "those are good for long"


def test_a_server_that_does_not_lead_gives_none(leader: Sandbox) -> None:
    leader.answer(f"{NOMAD}/v1/status/leader", '"10.9.8.6:4647"')
    introduce(leader)
    assert given(leader) == {}


def test_a_pool_that_is_new_or_another_node_pools_gets_one_at_once(leader: Sandbox) -> None:
    introduce(leader)
    given(leader)
    leader.write("/standin/pools", "web default\nbatch light\nnew default\n")
    introduce(leader)
    assert set(given(leader)) == {"batch", "new"}


@pytest.mark.parametrize(("age", "anew"), [(1100, False), (1201, True)])
def test_one_is_replaced_in_a_third_of_its_life(leader: Sandbox, age: int, anew: bool) -> None:
    introduce(leader)
    given(leader)
    for file, text in leader.tree(f"{RUN}/introduced").items():
        node_pool, key, second = text.split()
        leader.write(f"{RUN}/introduced/{file}", f"{node_pool} {key} {int(second) - age}\n")
    introduce(leader)
    assert bool(given(leader)) is anew


def test_one_whose_key_nomad_knows_no_more_is_replaced_at_once(leader: Sandbox) -> None:
    introduce(leader)
    given(leader)
    leader.answer(KEYS, json.dumps({"keys": [{"kid": "key-3"}]}))  # restored, or another Nomad's data
    introduce(leader)
    assert set(given(leader)) == {"web", "batch"}


def test_while_an_older_server_is_there_nomad_gives_none_and_it_is_asked_again(leader: Sandbox) -> None:
    leader.answer(GIVE, "all servers should be running version 1.11.0 or later to use client intro tokens", code=500)
    assert "hashistack: no introduction for web: 500 all servers" in introduce(leader, code=1)
    assert given(leader) == {}
    leader.answer(GIVE, json.dumps({"JWT": token()}))
    introduce(leader)
    assert set(given(leader)) == {"web", "batch"}


def test_who_cannot_read_which_pools_there_are_looks_again(leader: Sandbox) -> None:
    leader.path("/standin/pools").unlink()
    introduce(leader, code=1)
    assert given(leader) == {}


def test_a_new_cluster_gives_them_as_soon_as_nomad_has_a_key(leader: Sandbox) -> None:
    leader.answer(f"{NOMAD}/v1/acl/bootstrap", "{}")
    answer = f"/standin/answers/{file_of(GIVE)}"
    leader.write("/standin/made", leader.read(answer))
    leader.answer(GIVE, "failed to sign: keyring has not been initialized yet", code=500)
    leader.stand_in("sleep", f'cp /standin/made "{answer}"')
    done = leader.run(f"{BIN}/bootstrap-nomad")
    assert done.returncode == 0, done.stdout
    assert set(given(leader)) == {"web", "batch"}


def test_what_the_store_did_not_take_is_given_again(leader: Sandbox) -> None:
    leader.path("/standin/introduced.web").mkdir()
    introduce(leader, code=1)
    leader.path("/standin/introduced.web").rmdir()
    given(leader)
    introduce(leader)
    assert set(given(leader)) == {"web"}


@pytest.mark.parametrize(("seconds", "good"), [(3600, True), (-5, False), (None, False)])
def test_a_new_client_takes_one_that_is_good(machine: Sandbox, seconds: float | None, good: bool) -> None:
    booted(machine, "client")
    if seconds is not None:
        machine.write("/standin/introduction", token(seconds) + "\n")
    done = machine.run(f"{BIN}/introduction")
    assert (done.returncode == 0, done.stdout) == (good, "")
    assert machine.path(TOKEN).exists() is good
    assert machine.path(f"{RUN}/refused").exists() is not good
    if good:
        assert machine.read(TOKEN).strip() == machine.read("/standin/introduction").strip()
        assert machine.path(TOKEN).stat().st_mode & 0o777 == 0o600


@pytest.fixture
def node(machine: Sandbox) -> Sandbox:
    booted(machine, "client")
    machine.write(f"{CLIENT}/client-id", "node-1")
    machine.write(f"{CLIENT}/secret-id", "the-secret-of-node-1")
    machine.write("/standin/introduction", token())
    machine.write("/standin/peers", "10.0.0.1\n10.0.0.2\n")
    return machine


def renewed(machine: Sandbox) -> tuple[bool, bool, bool]:
    """Whether it has an introduction now, Nomad was started again, and `health` knows that it is refused."""
    machine.path("/standin/sv").unlink(missing_ok=True)
    done = machine.run(f"{BIN}/introduction", "renew")
    assert done.returncode == 0, done.stdout
    assert "the-secret-of-node-1" not in done.stdout
    restarted = machine.path("/standin/sv").exists()
    if restarted:
        assert machine.read("/standin/sv") == "-w 60 restart /etc/service/nomad\n"
    return machine.path(TOKEN).exists(), restarted, machine.path(f"{RUN}/refused").exists()


def test_a_node_that_the_servers_know_needs_none(node: Sandbox) -> None:
    node.write(TOKEN, "old")
    node.write(f"{RUN}/refused", "")
    node.answer(NODE, "{}")
    assert renewed(node) == (False, False, False)
    assert not node.path("/standin/verbs").exists(), "neither the store nor the cloud is asked"


def test_an_agent_that_passes_nothing_on_is_passed_by(node: Sandbox) -> None:
    silent = (
        'case "$*" in *--connect-to*10.0.0.2*) ;; *) echo "$*" >>/standin/asked; printf "\\n000"; exit 28 ;; esac\n'
    )
    node.stand_in("curl", silent + CURL)
    node.answer(NODE, "Permission denied", code=403)
    assert renewed(node) == (False, True, True)
    assert "--connect-to localhost:4646:10.0.0.1:4646" in node.read("/standin/asked"), "one server after another"


def test_a_node_that_was_registered_forgets_that_before_it_introduces_itself(node: Sandbox) -> None:
    node.answer(NODE, "Permission denied", code=403)
    assert renewed(node) == (False, True, True)
    assert renewed(node) == (True, True, True)
    assert renewed(node) == (False, True, True), "what it took does not help, or not yet"
    assert renewed(node) == (True, True, True)
    node.answer(NODE, "{}")
    assert renewed(node) == (False, False, False)
    assert node.read("/standin/asked").count(NODE) == 4 + 4 + 9 + 4 + 1, "one that has just begun has longer"


def test_a_node_that_began_without_one_introduces_itself_at_once(node: Sandbox) -> None:
    node.write(f"{RUN}/refused", "")
    node.answer(NODE, "Permission denied", code=403)
    assert renewed(node) == (True, True, True)


@pytest.mark.parametrize("status", ["down", "disconnected"])
def test_a_node_that_is_known_and_not_heard_for_two_looks_registers_anew(node: Sandbox, status: str) -> None:
    deaf, well = ({"ID": "node-1", "Status": said} for said in (status, "ready"))
    for answer, restarts in ((deaf, False), (well, False), (deaf, False), (deaf, True), (deaf, False)):
        node.answer(NODE, json.dumps(answer, separators=(",", ":")))
        assert renewed(node) == (False, restarts, False)


def test_one_that_is_told_to_leave_meanwhile_is_not_started_again(node: Sandbox) -> None:
    node.answer(NODE, "Permission denied", code=403)
    node.stand_in("sleep", f": >{RUN}/leaving")
    assert renewed(node)[1] is False


def test_without_an_introduction_nothing_starts_again(node: Sandbox) -> None:
    node.write(f"{RUN}/refused", "")
    node.answer(NODE, "Permission denied", code=403)
    node.path("/standin/introduction").unlink()
    assert renewed(node) == (False, False, True)


@pytest.mark.parametrize("answer", [(500, "No cluster leader"), (429, ""), None])
def test_who_is_away_refuses_nobody(node: Sandbox, answer: tuple[int, str] | None) -> None:
    node.write(TOKEN, "old")
    if answer:
        node.answer(NODE, answer[1], code=answer[0])
    assert renewed(node) == (True, False, False)


@pytest.mark.parametrize("when", ["leaving", "new"])
def test_who_leaves_and_who_has_not_begun_is_left_alone(node: Sandbox, when: str) -> None:
    node.answer(NODE, "Permission denied", code=403)
    if when == "leaving":
        node.write(f"{RUN}/leaving", "")
    else:
        node.path(f"{CLIENT}/client-id").unlink()
    assert renewed(node) == (False, False, False)


def bundled(version: str, pool: str) -> Mapping[str, Any]:
    case = CASES["minimal"]
    spec = case.spec.model_copy(update={"versions": Versions(nomad=version)})
    return render(spec, pool, case.platform, binaries(pool)).files


@pytest.mark.parametrize(("version", "there"), [("1.10.5", False), ("1.11.3", True), ("2.0.4", True)])
def test_who_has_no_introductions_has_none_of_it(version: str, there: bool) -> None:
    server, client = bundled(version, "server"), bundled(version, "workers")
    assert ("bin/introduce-clients" in server, "bin/introduction" in client) == (there, there)
    said = json.loads(server["conf/nomad/40-role.json"])["server"].get("client_introduction")
    assert said == (
        {"enforcement": "strict", "default_identity_ttl": "5m", "max_identity_ttl": "1h"} if there else None
    )


def test_a_pool_more_is_no_reason_for_other_servers() -> None:
    case = CASES["minimal"]
    more = case.spec.clients[0].model_copy(update={"name": "more", "node_pool": "other"})
    spec = case.spec.model_copy(update={"clients": (*case.spec.clients, more)})
    bundles = {render(each, "server", case.platform, binaries("server")).sha256 for each in (case.spec, spec)}
    assert len(bundles) == 1
