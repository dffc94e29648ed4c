"""What keeps a machine current while it runs: secrets-watch, join-vault, bootstrap-vault, wait-for-leader."""

from __future__ import annotations

import hashlib
import json

import pytest

from .cases import CASES
from .conftest import Start, wait_for
from .documents import DOCUMENTS, SERVER
from .introductions import token
from .sandbox import ADDRESS, CURL, PLATFORM, Sandbox, file_of

BIN = "/opt/hashistack/current/bin"
RUN = "/run/hashistack"
AUDIT = "/var/log/hashistack/vault-audit/audit.json"
only_dash = pytest.mark.parametrize("shell", ["dash"], indirect=True)
"""For programs that wait long: busybox has a sleep of its own, for which nothing stands in."""


def rendered(machine: Sandbox, role: str, case: str = "minimal") -> Sandbox:
    pool = {"server": "server", "client": "workers"}[role]
    machine.install_bundle(CASES[case].bundle(pool), role, pool)
    machine.facts(DOCUMENTS[role])
    machine.write(f"/standin/secrets/{role}", json.dumps(DOCUMENTS[role]))
    assert machine.run(f"{BIN}/render").returncode == 0
    machine.stand_in("curl", CURL)
    machine.stand_in("sv", 'echo "$*" >>/standin/sv')
    machine.stand_in("sleep", 'echo "$1" >>/standin/slept; exec /usr/bin/sleep 0.1')
    # Tested in test_rotation.py and test_introduction.py. Whatever a document holds is known to the cluster, unless it
    # is `unknown`.
    stand_ins = {"ensure-tokens": "[ ! -e /standin/unknown ] || exit 1", "rotate-gossip": ""}
    for program, text in {**stand_ins, **({"introduce-clients": ""} if role == "server" else {})}.items():
        machine.write(f"{BIN}/{program}", f'#!/bin/sh\necho "$*" >>/standin/{program}\n{text}\n', 0o755)
    for service in ("consul", "nomad", "unbound", *(["vault"] if role == "server" else [])):
        machine.path(f"/etc/service/{service}").mkdir(parents=True)
    return machine


@pytest.fixture
def server(machine: Sandbox) -> Sandbox:
    return rendered(machine, "server")


def lines(machine: Sandbox, name: str) -> list[str]:
    file = machine.path(f"/standin/{name}")
    return file.read_text().splitlines() if file.exists() else []


def becomes(url: str, other: str) -> str:
    """For a stand-in: from now on the answer of this address is that of another one."""
    was, now = (f"/standin/answers/{file_of(address)}" for address in (url, other))
    return f"cp {now} {now}.copy; mv {now}.copy {was}"


def pass_by(machine: Sandbox, name: str, times: int) -> None:
    """Waits until something has been done so many times more."""
    before = len(lines(machine, name))
    wait_for(lambda: len(lines(machine, name)) >= before + times)


@only_dash
def test_where_looks_cost_a_machine_looks_every_few_minutes_and_no_two_at_once(machine: Sandbox, start: Start) -> None:
    rendered(machine, "client")
    machine.write("/etc/hashistack/metadata", machine.read("/etc/hashistack/metadata") + "HS_SECRETS_EVERY=120\n")
    machine.stand_in("sleep", "exec /usr/bin/sleep 0.1")
    machine.stand_in("date", "cat /standin/now")

    def at(second: int) -> None:
        machine.write("/standin/then", f"{second}\n")
        machine.path("/standin/then").replace(machine.path("/standin/now"))

    at(1000)
    start(f"{BIN}/secrets-watch")

    def looks() -> int:
        return lines(machine, "verbs").count("secret client")

    wait_for(lambda: looks() == 1)
    pass_by(machine, "rotate-gossip", 3)
    at(1119)
    pass_by(machine, "rotate-gossip", 3)
    assert looks() == 1
    at(1180)
    wait_for(lambda: looks() == 2)
    pass_by(machine, "rotate-gossip", 3)
    # A change that is under way: in each round, until the cluster knows what it brings.
    machine.write("/standin/unknown", "")
    machine.write("/standin/secrets/client", json.dumps({**DOCUMENTS["client"], "certificate": "new"}))
    at(1360)
    wait_for(lambda: looks() >= 4)


@only_dash
@pytest.mark.parametrize("role", ["server", "client"])
def test_renewed_secrets_reach_the_agents(machine: Sandbox, role: str, start: Start) -> None:
    rendered(machine, role)
    start(f"{BIN}/secrets-watch")
    pass_by(machine, "slept", 3)
    assert lines(machine, "sv") == [], "nothing has changed"
    renewed = {**DOCUMENTS[role], "cert": "RENEWED\n", "ca": "BOTH\n", "consul_gossip": "the-secret-other"}
    machine.write(f"/standin/secrets/{role}", json.dumps(renewed))
    products = ["consul", "nomad", *(["vault"] if role == "server" else [])]
    programs = ["dns-servers", "health", *(["prune-members"] if role == "server" else [])]
    told_again = ["bootstrap"] if role == "server" else []
    for program in (*programs, *told_again):
        machine.path(f"/etc/service/{program}").mkdir()
    orders = [f"hup /etc/service/{product}" for product in products]
    orders += [f"term /etc/service/{program}" for program in programs]
    orders += [f"up /etc/service/{program}" for program in told_again]
    wait_for(lambda: lines(machine, "sv") == orders)
    for product in products:
        assert machine.read(f"{RUN}/{product}/tls/cert.pem") == "RENEWED\n"
    assert machine.read(f"{RUN}/api/ca.pem").strip() == "BOTH"
    assert json.loads(machine.read(f"{RUN}/consul/consul.json"))["encrypt"] == "the-secret-other"
    told = "hashistack: the role document changed: rendered again, agents told to reload"
    wait_for(lambda: machine.said() == [told])
    pass_by(machine, "slept", 3)
    assert lines(machine, "sv") == orders, "told once"
    assert set(lines(machine, "slept")) == {"30"}
    assert machine.path(f"{RUN}/secrets.json").stat().st_mode & 0o077 == 0
    # A server has made sure of the document that it booted with, and nobody of one that is in force.
    booted = [f"{RUN}/secrets.json"] if role == "server" else []
    assert lines(machine, "ensure-tokens") == [*booted, f"{RUN}/secrets.new"]


@only_dash
def test_tokens_that_nobody_knows_yet_are_waited_for_but_not_for_ever(server: Sandbox, start: Start) -> None:
    server.write("/standin/unknown", "")
    server.write("/standin/secrets/server", json.dumps({**SERVER, "cert": "RENEWED\n", "consul_dns": "the-secret-new"}))
    # How often it had been asked when the first agent was told.
    server.stand_in(
        "sv", '[ -e /standin/by-then ] || cp /standin/ensure-tokens /standin/by-then; echo "$*" >>/standin/sv'
    )
    start(f"{BIN}/secrets-watch")
    wait_for(lambda: len(lines(server, "sv")) == 3)
    assert server.read(f"{RUN}/consul/tls/cert.pem") == "RENEWED\n"
    assert lines(server, "by-then") == [f"{RUN}/secrets.new"] * 10


@only_dash
def test_a_nomad_with_another_consul_token_starts_again(machine: Sandbox, start: Start) -> None:
    rendered(machine, "client")
    document = {**DOCUMENTS["client"], "consul_nomad_client": "the-secret-new"}
    machine.write("/standin/secrets/client", json.dumps(document))
    start(f"{BIN}/secrets-watch")
    wait_for(lambda: lines(machine, "sv")[-1:] == ["-w 60 restart /etc/service/nomad"])
    assert json.loads(machine.read(f"{RUN}/nomad/nomad.json"))["consul"]["token"] == "the-secret-new"


@only_dash
@pytest.mark.parametrize("document", ["", "{}", '{"ca": null}', "<html>503</html>", '{"ca": "cut sho', None])
def test_a_store_that_answers_nonsense_changes_nothing(server: Sandbox, start: Start, document: str | None) -> None:
    before = server.tree(RUN)
    if document is None:
        server.path("/standin/secrets/server").unlink()
    else:
        server.write("/standin/secrets/server", document)
    start(f"{BIN}/secrets-watch")
    pass_by(server, "slept", 3)
    assert {path: text for path, text in server.tree(RUN).items() if path != "secrets.new"} == before
    assert lines(server, "sv") == []


@only_dash
def test_a_document_that_cannot_be_rendered_is_tried_until_it_can_be(server: Sandbox, start: Start) -> None:
    lacking = {**SERVER, "cert": "RENEWED\n"}
    del lacking["consul_dns"]
    server.write("/standin/secrets/server", json.dumps(lacking))
    start("sh", "-c", f"while :; do {BIN}/secrets-watch; done")  # as runsv has it: what ends is started again
    pass_by(server, "slept", 3)
    wait_for(lambda: any("unknown placeholder {{secret.consul_dns}}" in line for line in server.said()))
    assert lines(server, "sv") == []
    assert server.read(f"{RUN}/consul/tls/cert.pem") == SERVER["cert"]
    server.write("/standin/secrets/server", json.dumps({**SERVER, "cert": "RENEWED\n"}))
    wait_for(lambda: len(lines(server, "sv")) == 3)
    assert server.read(f"{RUN}/consul/tls/cert.pem") == "RENEWED\n"


@only_dash
def test_vaults_audit_file_is_put_aside_when_it_is_big(server: Sandbox, start: Start) -> None:
    file = server.path(AUDIT)
    file.parent.mkdir(parents=True)
    file.write_text("small")
    start(f"{BIN}/secrets-watch")
    pass_by(server, "slept", 3)
    assert lines(server, "sv") == []
    with file.open("ab") as grown:
        grown.truncate(64 * 1024 * 1024 + 1)
    wait_for(lambda: lines(server, "sv") == ["hup /etc/service/vault"])
    assert server.path(f"{AUDIT}.1").stat().st_size == 64 * 1024 * 1024 + 1
    assert not file.exists()


STATUS, UNSEAL = "localhost:8200/v1/sys/seal-status", "localhost:8200/v1/sys/unseal"
JOIN = "localhost:8200/v1/sys/storage/raft/join"
EMPTY = '{"type":"shamir","initialized":false,"sealed":true}'
SEALED = '{"type":"shamir","initialized":true,"sealed":true}'
CUT_SHORT = '{"errors":["error bootstrapping cluster: cluster already has state"]}'
STARTED_OVER = ["force-stop /etc/service/vault", "up /etc/service/vault"]


def has_key(machine: Sandbox, status: str) -> Sandbox:
    """A machine of a cluster whose Vault has its key in the store, beside a server that may be open."""
    machine.write("/standin/peers", f"{ADDRESS}\n10.0.0.2\n")
    machine.write("/standin/secrets/vault-init", '{"keys_base64":["the-secret-key=="]}')
    machine.write("/var/lib/hashistack/vault/raft/raft.db", "what it has of the cluster's data")
    machine.answer(STATUS, status)
    machine.answer(UNSEAL, "{}")
    return machine


@only_dash
def test_a_sealed_vault_is_opened_with_the_stores_key(server: Sandbox, start: Start) -> None:
    server.answer(UNSEAL, "{}")
    server.answer(STATUS, EMPTY)
    start(f"{BIN}/join-vault")
    pass_by(server, "verbs", 2)
    assert server.sent(UNSEAL) is None, "the key is not in the store yet"
    server.write("/standin/secrets/vault-init", '{"keys_base64":["the-secret-key=="],"root_token":"hvs.x"}')
    pass_by(server, "asked", 2)
    assert server.sent(UNSEAL) is None, "there is nothing to open before it is initialised, or has joined"
    server.answer(STATUS, SEALED)
    wait_for(lambda: server.sent(UNSEAL))
    assert json.loads(server.sent(UNSEAL) or "") == {"key": "the-secret-key=="}
    assert "the-secret" not in "".join(lines(server, "asked"))


def test_an_open_vault_is_left_alone(server: Sandbox, start: Start) -> None:
    has_key(server, '{"type":"shamir","initialized":true,"sealed":false}')
    start(f"{BIN}/join-vault")
    pass_by(server, "asked", 1)
    assert server.sent(UNSEAL) is None
    assert not [line for line in lines(server, "asked") if "unseal" in line]


@only_dash
def test_a_vault_without_data_joins_through_a_server_that_is_open(server: Sandbox, start: Start) -> None:
    has_key(server, EMPTY)
    server.answer(JOIN, '{"errors":["failed to join raft cluster"]}', 500)
    start(f"{BIN}/join-vault")
    wait_for(lambda: server.sent(JOIN))
    assert json.loads(server.sent(JOIN) or "") == {
        "leader_api_addr": "https://10.0.0.2:8200",
        "leader_tls_servername": "vault.service.consul",
        "leader_ca_cert": SERVER["ca"],
        "leader_client_cert": SERVER["cert"],
        "leader_client_key": SERVER["key"],
    }
    pass_by(server, "asked", 2)
    assert server.sent(UNSEAL) is None, "it has nothing to open before it has joined"
    # It is initialised as soon as it has been given the key, and opens by itself once it has its data.
    server.answer("joined", SEALED)
    server.stand_in("curl", f'case "$*" in *sys/unseal) {becomes(STATUS, "joined")} ;; esac{CURL}')
    server.answer(JOIN, '{"joined":true}')
    wait_for(lambda: server.sent(UNSEAL))
    pass_by(server, "asked", 10)
    assert len([line for line in lines(server, "asked") if line.endswith(UNSEAL)]) == 1
    assert SERVER["key"] not in "".join(lines(server, "asked"))
    assert server.tree("/var/lib/hashistack/vault"), "it has joined"


@only_dash
@pytest.mark.parametrize("told_by", [UNSEAL, JOIN])
def test_a_vault_whose_join_was_cut_short_starts_over(server: Sandbox, start: Start, told_by: str) -> None:
    has_key(server, EMPTY)
    server.answer(JOIN, '{"joined":true}')
    server.answer(told_by, CUT_SHORT, 500)
    start(f"{BIN}/join-vault")
    wait_for(lambda: lines(server, "sv")[:2] == STARTED_OVER)
    assert not server.tree("/var/lib/hashistack/vault")


@only_dash
def test_whoever_gives_no_place_to_a_joiner_costs_it_no_data(server: Sandbox, start: Start) -> None:
    has_key(server, EMPTY)
    server.answer(JOIN, '{"joined":true}')
    server.answer(UNSEAL, '{"errors":["no expected answer for the server id provided"]}', 500)
    start(f"{BIN}/join-vault")
    wait_for(lambda: len([line for line in lines(server, "asked") if line.endswith(JOIN)]) >= 4)
    assert lines(server, "sv") == []
    assert server.tree("/var/lib/hashistack/vault")


@only_dash
def test_a_vault_that_has_joined_and_gets_no_data_is_started_again(server: Sandbox, start: Start) -> None:
    has_key(server, EMPTY)
    server.answer("joined", SEALED)
    server.answer("empty", EMPTY)
    server.answer(JOIN, '{"joined":true}')
    server.stand_in("curl", f'case "$*" in *sys/unseal) {becomes(STATUS, "joined")} ;; esac{CURL}')
    server.stand_in("sleep", "")
    server.stand_in("sv", f'echo "$*" >>/standin/sv; {becomes(STATUS, "empty")}')
    start(f"{BIN}/join-vault")
    wait_for(lambda: lines(server, "sv") == ["-w 20 force-restart /etc/service/vault"], seconds=120)
    given = len([line for line in lines(server, "asked") if line.endswith(UNSEAL)])
    assert given == 1, "a second key would start it twice"
    wait_for(lambda: len([line for line in lines(server, "asked") if line.endswith(UNSEAL)]) == 2)


@only_dash
def test_a_vault_that_takes_connections_and_answers_nobody_is_started_again(server: Sandbox, start: Start) -> None:
    has_key(server, "curl: (7) Failed to connect to localhost port 8200")
    server.answer("well", '{"type":"shamir","initialized":true,"sealed":false}')
    server.stand_in("sv", f'echo "$*" >>/standin/sv; {becomes(STATUS, "well")}')
    start(f"{BIN}/join-vault")
    pass_by(server, "asked", 16)
    assert lines(server, "sv") == [], "one that starts is waited for"
    server.answer(STATUS, "curl: (28) Operation timed out after 5000 milliseconds", 0)
    wait_for(lambda: lines(server, "sv") == ["-w 20 force-restart /etc/service/vault"])
    pass_by(server, "asked", 4)
    assert len(lines(server, "sv")) == 1


@only_dash
def test_a_kms_opens_vault_and_a_key_in_the_store_does_not(machine: Sandbox, start: Start) -> None:
    rendered(machine, "server", "awskms-seal")
    has_key(machine, EMPTY)
    machine.answer("joined", SEALED)
    machine.answer(JOIN, '{"joined":true}')
    machine.stand_in("curl", f'case "$*" in *raft/join) {becomes(STATUS, "joined")} ;; esac{CURL}')
    start(f"{BIN}/join-vault")
    wait_for(lambda: machine.sent(JOIN))
    pass_by(machine, "asked", 5)
    assert machine.sent(UNSEAL) is None
    assert len([line for line in lines(machine, "asked") if line.endswith(JOIN)]) == 1


INIT = "localhost:8200/v1/sys/init"
BEGUN = "/var/lib/hashistack/vault-init-begun"
KEYS = '{"keys_base64":["the-secret-key=="],"root_token":"hvs.x"}'
CLAIM = """claim)
  cat >/standin/claim
  [ -e "/standin/secrets/$2" ] || cp /standin/claim "/standin/secrets/$2"
  cmp -s /standin/claim "/standin/secrets/$2"
  ;;
*) exit 2 ;;"""


def uninitialised(machine: Sandbox) -> Sandbox:
    """A server of a new cluster: nobody's Vault has been initialised."""
    machine.write(f"{BIN}/platform", PLATFORM.replace("*) exit 2 ;;", CLAIM), 0o755)
    machine.write("/standin/peers", f"{ADDRESS}\n10.0.0.2\n")
    machine.write("/var/lib/hashistack/vault/raft/raft.db", "of an initialisation that nobody has the keys of")
    machine.answer(STATUS, EMPTY)
    return machine


@only_dash
def test_an_initialisation_that_fails_half_way_is_begun_again(server: Sandbox, start: Start) -> None:
    uninitialised(server)
    server.answer(INIT, CUT_SHORT, 500)
    done = server.run(f"{BIN}/bootstrap-vault")
    assert (done.returncode, lines(server, "sv")) == (1, [])
    assert "already has state" in done.stdout + done.stderr
    server.answer(INIT, KEYS)
    start(f"{BIN}/bootstrap-vault")  # as runit does
    wait_for(lambda: "vault-init" in server.tree("/standin/secrets"))
    assert lines(server, "sv") == STARTED_OVER
    assert not server.tree("/var/lib/hashistack/vault")
    assert json.loads(server.read("/standin/secrets/vault-init")) == {"initialised_by": "web-1", **json.loads(KEYS)}
    wait_for(lambda: not server.path(BEGUN).exists())
    assert not [line for line in lines(server, "slept") if line == "0.5"], "its claim is its own"


@only_dash
def test_a_store_that_is_away_is_no_empty_one(server: Sandbox, start: Start) -> None:
    uninitialised(server)
    server.write(BEGUN, "")
    server.write(
        "/standin/secrets/vault-init", json.dumps({"initialised_by": "web-1", "keys_base64": ["the-secret-key=="]})
    )
    server.write("/standin/store-is-away", "")
    start(f"{BIN}/bootstrap-vault")
    pass_by(server, "slept", 3)
    assert server.tree("/var/lib/hashistack/vault"), "the only Vault that these keys open"
    server.path("/standin/store-is-away").unlink()
    wait_for(lambda: not server.path(BEGUN).exists())
    assert server.tree("/var/lib/hashistack/vault")
    assert lines(server, "sv") == []


def told_already(machine: Sandbox) -> None:
    """The cluster's Vault lets this server in, and was told all that its bundle and CA say."""
    files = (machine.bundle_path("bootstrap.json"), machine.path(f"{RUN}/api/ca.pem"))
    release = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    machine.answer("localhost:8200/v1/auth/cert/login", '{"auth":{"client_token":"hvs.server"}}')
    policy = json.dumps({"data": {"policy": f"# release {release}"}})
    machine.answer("localhost:8200/v1/sys/policies/acl/server-health", policy)


@only_dash
@pytest.mark.parametrize("by", ["web-1", "web-2"])
def test_whose_keys_are_in_the_store_decides_what_a_machine_keeps(server: Sandbox, by: str) -> None:
    uninitialised(server)
    server.write(BEGUN, "")
    server.write("/standin/secrets/vault-init", json.dumps({"initialised_by": by, "keys_base64": ["the-secret-key=="]}))
    told_already(server)
    server.answer(STATUS, '{"type":"shamir","initialized":true,"sealed":false}')  # join-vault brings its data
    assert server.run(f"{BIN}/bootstrap-vault").returncode == 0
    assert lines(server, "sv") == ([] if by == "web-1" else STARTED_OVER)
    assert bool(server.tree("/var/lib/hashistack/vault")) == (by == "web-1")
    assert not server.path(BEGUN).exists()


@only_dash
def test_a_vault_whose_keys_are_lost_keeps_its_data(server: Sandbox) -> None:
    uninitialised(server)
    server.write("/standin/peers", f"{ADDRESS}\n")
    server.answer(STATUS, SEALED)
    done = server.run(f"{BIN}/bootstrap-vault")
    assert done.returncode == 1
    assert "its keys (vault-init) are not in the secret store: put them back there" in done.stdout + done.stderr
    assert not [line for line in lines(server, "asked") if line.endswith(INIT)]
    assert not server.path(BEGUN).exists()
    assert server.tree("/var/lib/hashistack/vault")


@only_dash
def test_nobody_initialises_beside_another_servers_vault(server: Sandbox, start: Start) -> None:
    uninitialised(server)
    server.write("/standin/secrets/vault-claim", "web-2")
    server.answer("other", SEALED)
    other = f"/standin/answers/{file_of('other')}"
    server.stand_in("curl", f'case "$*" in *--connect-to*) sed 1d {other}; printf "\\n200"; exit ;; esac{CURL}')
    server.stand_in("sleep", 'echo "$1" >>/standin/slept')
    start(f"{BIN}/bootstrap-vault")
    pass_by(server, "slept", 200)
    assert not [line for line in lines(server, "asked") if line.endswith(INIT)]
    server.stand_in("curl", CURL)  # that server has died
    wait_for(lambda: [line for line in lines(server, "asked") if line.endswith(INIT)])


LEADS = "localhost:8200/v1/sys/leader"
LOGIN = "localhost:8200/v1/auth/userpass/login/operator"


def told_something_else(machine: Sandbox) -> None:
    """The cluster's Vault is set up, and was told other things than this server's bundle and CA say."""
    machine.answer(STATUS, '{"type":"shamir","initialized":true,"sealed":false}')
    machine.write("/standin/secrets/vault-init", json.dumps({"initialised_by": "web-2", "keys_base64": ["k"]}))
    told_already(machine)
    other = json.dumps({"data": {"policy": "# release of another bundle"}})
    machine.answer("localhost:8200/v1/sys/policies/acl/server-health", other)


@only_dash
@pytest.mark.parametrize("told", [False, True])
def test_the_server_whose_vault_is_active_tells_it_what_is_new(server: Sandbox, start: Start, told: bool) -> None:
    told_something_else(server)
    server.answer(LEADS, '{"ha_enabled":true,"is_self":false}')
    server.write("/standin/held", "")
    server.stand_in("sleep", 'echo "$1" >>/standin/slept; while [ -e /standin/held ]; do /usr/bin/sleep 0.1; done')
    process = start(f"{BIN}/bootstrap-vault")
    pass_by(server, "slept", 1)
    assert server.sent(LOGIN) is None, "another one does it"
    if told:
        told_already(server)
    else:
        server.answer(LEADS, '{"ha_enabled":true,"is_self":true}')
    server.path("/standin/held").unlink()
    if told:
        assert process.wait(timeout=30) == 0
        assert server.sent(LOGIN) is None
    else:
        wait_for(lambda: server.sent(LOGIN))
        assert len(lines(server, "slept")) < 10


@only_dash
def test_what_the_active_server_does_not_know_another_one_tells_after_a_while(server: Sandbox, start: Start) -> None:
    told_something_else(server)
    server.answer(LEADS, '{"ha_enabled":true,"is_self":false}')
    start(f"{BIN}/bootstrap-vault")
    wait_for(lambda: server.sent(LOGIN))
    assert len(lines(server, "slept")) >= 10


DOCKER = "docker/_ping"
LEADER = "localhost:4646/v1/status/leader"
VAULT = "active.vault.service.consul:8200/v1/sys/health"


def introduced(machine: Sandbox) -> None:
    machine.write("/standin/introduction", token())


def test_a_client_starts_as_soon_as_there_are_a_leader_and_vault(machine: Sandbox, start: Start) -> None:
    rendered(machine, "client")
    introduced(machine)
    machine.write("/standin/peers", "10.0.0.1\n10.0.0.2\n")
    machine.answer(LEADER, '""')
    process = start(f"{BIN}/wait-for-leader")
    pass_by(machine, "asked", 3)
    assert process.poll() is None
    assert not [line for line in lines(machine, "asked") if VAULT in line]
    machine.answer(LEADER, '"10.0.0.2:4647"')
    machine.answer(DOCKER, "")
    machine.write("/run/hashistack/images-loaded", "")
    wait_for(lambda: [line for line in lines(machine, "asked") if VAULT in line])
    assert process.poll() is None
    machine.answer(VAULT, "{}")
    assert process.wait(timeout=90) == 0
    assert not [line for line in machine.said() if line.startswith("hashistack")]
    asked = "\n".join(lines(machine, "asked"))
    assert "localhost:4646:10.0.0.1:4646" in asked, "by TLS under the name in every server's certificate"
    assert "localhost:4646:10.0.0.2:4646" not in asked, "the first one that answers knows"


def test_a_client_that_was_here_before_waits_for_no_vault(machine: Sandbox) -> None:
    rendered(machine, "client")
    machine.write("/standin/peers", "10.0.0.1\n")
    machine.answer(LEADER, '"10.0.0.1:4647"')
    machine.write("/var/lib/hashistack/nomad/client/client-id", "node-1")
    machine.answer(DOCKER, "")
    machine.write("/run/hashistack/images-loaded", "")
    assert machine.run(f"{BIN}/wait-for-leader").returncode == 0
    assert not [line for line in lines(machine, "asked") if VAULT in line]
    assert "introduction" not in lines(machine, "verbs")


@only_dash
@pytest.mark.parametrize("missing", ["leader", "docker", "its images", "vault"])
def test_a_client_starts_without_servers_too(machine: Sandbox, missing: str) -> None:
    rendered(machine, "client")
    introduced(machine)
    machine.stand_in("sleep", 'echo "$1" >>/standin/slept')
    machine.write("/standin/peers", "10.0.0.1\n10.0.0.2\n")
    if missing != "leader":
        machine.answer(LEADER, '"10.0.0.1:4647"')
    if missing != "docker":
        machine.answer(DOCKER, "")
    if missing != "its images":
        machine.write("/run/hashistack/images-loaded", "")
    done = machine.run(f"{BIN}/wait-for-leader")
    assert done.returncode == 0
    assert done.stdout.endswith(
        f"hashistack: no {missing.replace('its images', 'docker')} in sight: starting the client all the same\n"
    )
    assert sum(map(float, lines(machine, "slept"))) == pytest.approx(30, abs=0.5)
    assert (missing == "leader") == ("localhost:4646:10.0.0.2:4646" in "".join(lines(machine, "asked")))


@only_dash
def test_a_new_client_waits_a_minute_for_its_introduction_and_says_that_it_has_none(machine: Sandbox) -> None:
    rendered(machine, "client")
    machine.stand_in("sleep", 'echo "$1" >>/standin/slept')
    machine.write("/standin/peers", "10.0.0.1\n")
    machine.answer(LEADER, '"10.0.0.1:4647"')
    machine.answer(DOCKER, "")
    machine.answer(VAULT, "{}")
    machine.write("/run/hashistack/images-loaded", "")
    done = machine.run(f"{BIN}/wait-for-leader")
    assert done.returncode == 0
    assert done.stdout == "hashistack: no introduction in sight: starting the client all the same\n"
    assert sum(map(float, lines(machine, "slept"))) == pytest.approx(60, abs=0.5)
    assert machine.path(f"{RUN}/refused").exists()


@pytest.mark.parametrize("role", ["server", "client"])
def test_introductions_are_looked_after_all_the_time(machine: Sandbox, start: Start, role: str) -> None:
    rendered(machine, role)
    program = {"server": "introduce-clients", "client": "introduction"}[role]
    machine.write(f"{BIN}/{program}", '#!/bin/sh\necho "$*" >>/standin/looked\nexit 1\n', 0o755)
    start(f"{BIN}/secrets-watch")
    pass_by(machine, "looked", 2)
    assert set(lines(machine, "looked")) == {{"server": "", "client": "renew"}[role]}
