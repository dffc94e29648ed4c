"""termination-watch, leave and prune-members: a machine goes when told to, in order, in time, and else not at all."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from .cases import CASES
from .conftest import Start, wait_for
from .documents import DOCUMENTS
from .sandbox import ADDRESS, CURL, Sandbox

BIN = "/opt/hashistack/current/bin"
ASKED = "/standin/asked"
SV = """
case $1 in
status) [ -e "/standin/down${2##*/}" ] && echo "down: $2: 1s" || echo "run: $2: (pid 1) 1s" ;;
*)
  echo "sv $1 ${2##*/}" >>/standin/asked
  case $1 in down | interrupt) [ -e "/standin/stubborn" ] || : >"/standin/down${2##*/}" ;; esac
  ;;
esac
"""
"""Services end when they are told to, unless `stubborn`; what they are told is in `asked`, among the requests."""
NODE = "localhost:4646/v1/node/node-1"
RAFT = "localhost:4646/v1/operator/raft/configuration"
METRICS = "localhost:4646/v1/metrics?format=prometheus"
RUNNING = 'nomad_client_allocations_running{{a="x",node_scheduling_eligibility="{}",node_status="ready"}} {}\n'
MEMBERS = "localhost:4646/v1/agent/members"
PRUNE = "localhost:4646/v1/agent/force-leave?node={}.global&prune=true"
VAULT = "localhost:8200/v1"
NODES = "localhost:4646/v1/nodes?stale&wait=5s&index=1&filter=SchedulingEligibility+%3D%3D+%22ineligible%22"


def made(machine: Sandbox, role: str) -> Sandbox:
    pool = {"server": "server", "client": "workers"}[role]
    machine.install_bundle(CASES["minimal"].bundle(pool), role, pool)
    machine.facts(DOCUMENTS[role])
    machine.stand_in("curl", CURL)
    machine.stand_in("sv", SV)
    for service in ("consul", "nomad", "health", *(["vault"] if role == "server" else [])):
        machine.path(f"/etc/service/{service}").mkdir(parents=True)
    machine.write("/standin/peers", f"10.9.8.1\n{ADDRESS}\n")
    return machine


@pytest.fixture
def client(machine: Sandbox) -> Sandbox:
    """A client whose drain is complete as soon as it is asked for."""
    made(machine, "client")
    machine.write("/var/lib/hashistack/nomad/client/client-id", "node-1")
    machine.write("/var/lib/hashistack/nomad/client/secret-id", "the-secret-of-node-1")
    machine.answer(f"{NODE}/drain", '{"EvalIDs":[]}')
    machine.answer(NODE, '{"ID":"node-1","DrainStrategy":null}')
    machine.answer(METRICS, RUNNING.format("eligible", 2) + RUNNING.format("ineligible", 0))
    return machine


def raft(leader: bool, *addresses: str) -> str:
    servers = [
        {"ID": f"id-{at}", "Node": at, "Address": f"{at}:4647", "Leader": leader == (at == ADDRESS), "Voter": True}
        for at in addresses
    ]
    return json.dumps({"Servers": servers, "Index": 0}, separators=(",", ":"))


@pytest.fixture
def server(machine: Sandbox) -> Sandbox:
    """A server that nobody counts any more once it is gone."""
    made(machine, "server")
    machine.write("/var/lib/hashistack/vault/raft/raft.db", "everything")
    machine.answer(f"{VAULT}/auth/cert/login", '{"auth":{"client_token":"hvb.the-secret-token","policies":[]}}')
    machine.answer(f"{VAULT}/sys/storage/raft/remove-peer", "", 204)
    machine.answer(RAFT, raft(True, "10.9.8.1"))
    machine.write("/run/hashistack/nomad/nomad.json", '{"region":"global"}')
    machine.answer(PRUNE.format("web-1"), "")
    machine.answer(MEMBERS, '{"Members":[{"Name":"web-2.global","Status":"alive"}]}')
    return machine


def events(machine: Sandbox) -> list[str]:
    """What services were told and whom curl asked for what, in order."""
    file = machine.path(ASKED)
    # dash's `echo` makes a line's end of the \n in curl's -w.
    lines = file.read_text().replace("\n%{", " %{").splitlines() if file.exists() else []
    return [line if line.startswith("sv ") else f"{_method(line)} {line.split('https://')[1]}" for line in lines]


def _method(line: str) -> str:
    words = line.split()
    other = words[words.index("--connect-to") + 1].split(":")[2] + ": " if "--connect-to" in words else ""
    return other + words[words.index("-X") + 1]


def leave(machine: Sandbox, notice: float | None = None) -> tuple[float, str]:
    """Runs `leave` to its end; seconds and what it said."""
    started = time.time()
    done = machine.run(f"{BIN}/leave", str(int(started + notice)) if notice else "", timeout=90)
    assert done.returncode == 0, done
    assert "the-secret" not in machine.read(ASKED)
    return time.time() - started, done.stdout


def drain(machine: Sandbox) -> Any:
    return json.loads(machine.sent(f"{NODE}/drain") or "null")


def test_a_client_drains_then_stops_then_tells_then_leaves_consul(client: Sandbox) -> None:
    _, said = leave(client)
    assert events(client) == [
        "sv term health",
        f"PUT {NODE}/drain",
        f"GET {NODE}",
        f"GET {METRICS}",
        "sv down nomad",
        f"10.9.8.1: PUT {NODE}/drain",
        "sv once consul",
        "sv interrupt consul",
    ]
    assert client.read("/run/hashistack/api/node") == "X-Nomad-Token: the-secret-of-node-1\n"
    assert drain(client)["Meta"] == {"hashistack": "left"}
    assert "gave up" not in said
    assert said.endswith("hashistack: drained\nhashistack: left\n")


@pytest.mark.parametrize(("notice", "deadline"), [(None, 3600), (7200, 3600), (120, 80), (30, 12), (2, 1)])
def test_a_drain_ends_within_the_notice(client: Sandbox, notice: float | None, deadline: int) -> None:
    client.answer(f"{NODE}/drain", "", 500)  # or the next one would follow soon
    began = int(time.time())
    process = client.start(f"{BIN}/leave", str(began + int(notice)) if notice else "")
    try:
        # The first one: a notice that is nearly over leaves little between it and the last.
        wait_for(lambda: client.sent(f"{NODE}/drain", "first"))
        asked = json.loads(client.sent(f"{NODE}/drain", "first") or "")
    finally:
        process.kill()
        process.wait()
    assert asked["Meta"] == {"hashistack": "leaving"}
    late = max(1, int(time.time()) - began)
    assert deadline - late <= asked["DrainSpec"]["Deadline"] / 10**9 <= deadline


def test_a_client_whose_drain_takes_too_long_still_leaves_in_time(client: Sandbox) -> None:
    client.answer(NODE, '{"ID":"node-1","DrainStrategy":{"Deadline":1}}')
    took, said = leave(client, notice=18)
    assert took < 15
    assert "hashistack: gave up: the drain is not complete\n" in said
    assert events(client)[-4:] == [
        "sv down nomad",
        f"10.9.8.1: PUT {NODE}/drain",
        "sv once consul",
        "sv interrupt consul",
    ]


def test_a_drain_that_calls_itself_complete_waits_for_what_still_stops(client: Sandbox, start: Start) -> None:
    client.answer(METRICS, RUNNING.format("eligible", 0) + RUNNING.format("ineligible", 2))
    start(f"{BIN}/leave", "")
    wait_for(lambda: events(client).count(f"GET {METRICS}") > 3)
    assert "sv down nomad" not in events(client)
    client.answer(METRICS, RUNNING.format("ineligible", 0))
    wait_for(lambda: "sv interrupt consul" in events(client))


def test_a_client_where_nothing_answers_and_nothing_stops_ends_in_time(client: Sandbox) -> None:
    client.write("/standin/stubborn", "")
    for path in client.tree("/standin/answers"):
        client.path(f"/standin/answers/{path}").unlink()
    took, said = leave(client, notice=14)
    assert took < 14
    gave_up = [line.partition("gave up: ")[2] for line in said.splitlines() if "gave up" in line]
    assert gave_up == [
        "Nomad does not take the drain",
        "nomad does not stop",
        "no server hears that this node has left",
        "consul does not stop",
    ]


def test_a_client_that_the_servers_do_not_know_waits_a_minute_for_them(client: Sandbox) -> None:
    """All were lost: those in their place have no work of its to move, and refuse its secret for ever."""
    client.stand_in("date", "echo >>/standin/asked-the-time; echo $((20 * $(wc -l </standin/asked-the-time)))")
    client.answer(f"{NODE}/drain", "Permission denied", 403)
    _, said = leave(client)
    assert "hashistack: gave up: Nomad does not take the drain\n" in said
    assert len(client.read("/standin/asked-the-time")) > 60 / 20
    assert "sv interrupt consul" in events(client)


def test_a_client_that_leaves_again_goes_on_where_it_was(client: Sandbox) -> None:
    leave(client)
    client.path(ASKED).unlink()
    client.answer(f"{NODE}/drain", "node not found", 404)
    _, said = leave(client)
    assert events(client) == ["sv term health", f"10.9.8.1: PUT {NODE}/drain"]
    assert "gave up" not in said


def test_a_server_leaves_vault_then_nomad_then_consul(server: Sandbox) -> None:
    leave(server)
    assert events(server) == [
        "sv term health",
        "sv down vault",
        f"10.9.8.1: POST {VAULT}/auth/cert/login",
        f"10.9.8.1: POST {VAULT}/sys/storage/raft/remove-peer",
        f"GET {RAFT}",
        "sv once nomad",
        "sv interrupt nomad",
        f"10.9.8.1: GET {RAFT}",
        f"10.9.8.1: PUT {PRUNE.format('web-1')}",
        f"10.9.8.1: GET {MEMBERS}",
        "sv once consul",
        "sv interrupt consul",
    ]
    assert json.loads(server.sent(f"{VAULT}/sys/storage/raft/remove-peer") or "") == {"server_id": "web-1"}
    assert not server.path("/var/lib/hashistack/vault").exists()


def test_a_leader_hands_over_before_it_leaves(server: Sandbox, start: Start) -> None:
    server.answer(RAFT, raft(True, "10.9.8.1", ADDRESS))
    transfer = "localhost:4646/v1/operator/raft/transfer-leadership?id=id-10.9.8.1"
    start(f"{BIN}/leave", "")
    wait_for(lambda: f"PUT {transfer}" in events(server))
    assert "sv interrupt nomad" not in events(server)
    server.answer(RAFT, raft(False, "10.9.8.1", ADDRESS))
    wait_for(lambda: "sv interrupt nomad" in events(server))
    # Nobody has removed it: it asks for that.
    wait_for(lambda: f"10.9.8.1: DELETE localhost:4646/v1/operator/raft/peer?id=id-{ADDRESS}" in events(server))
    server.answer(RAFT, raft(False, "10.9.8.1"))
    wait_for(lambda: "sv interrupt consul" in events(server))


def test_a_server_of_a_cluster_that_is_gone_ends_in_time_and_keeps_its_data(server: Sandbox) -> None:
    for path in server.tree("/standin/answers"):
        server.path(f"/standin/answers/{path}").unlink()
    took, said = leave(server, notice=14)
    assert took < 14
    assert said.count("gave up") >= 2
    assert server.read("/var/lib/hashistack/vault/raft/raft.db") == "everything"
    assert events(server)[-1] == "sv interrupt consul"


def test_the_last_server_waits_for_nobody(server: Sandbox) -> None:
    server.write("/standin/peers", f"{ADDRESS}\n")
    _, said = leave(server)
    assert [line.partition("gave up: ")[2] for line in said.splitlines() if "gave up" in line] == [
        "no other server removes this one from Vault's peers",
        "no other server removes this one from Nomad's peers",
        "the other Nomad servers remember this one",
    ]
    assert verbs(server, "peers") == ["peers"] * 6, "each is tried once: who is there, and whether anybody is"
    assert server.read("/var/lib/hashistack/vault/raft/raft.db") == "everything"
    assert events(server)[-1] == "sv interrupt consul"


def test_a_platform_that_can_not_say_who_runs_is_asked_again(server: Sandbox, start: Start) -> None:
    server.path("/standin/peers").unlink()
    start(f"{BIN}/leave", "")
    wait_for(lambda: len(verbs(server, "peers")) > 6)
    assert "sv interrupt nomad" not in events(server)
    server.write("/standin/peers", f"10.9.8.1\n{ADDRESS}\n")
    wait_for(lambda: events(server)[-1:] == ["sv interrupt consul"])
    assert not server.path("/var/lib/hashistack/vault").exists()


def verbs(machine: Sandbox, *wanted: str) -> list[str]:
    """What the platform was asked; by default all but what is asked again and again."""
    file = machine.path("/standin/verbs")
    asked = file.read_text().splitlines() if file.exists() else []
    return [line for line in asked if line in wanted or (not wanted and line not in ("peers", "hold"))]


def watched(machine: Sandbox, start: Start, leave: str) -> None:
    """termination-watch under supervision, with this for a `leave`."""
    made(machine, "client")
    machine.bundle_path("bin/leave").write_text(f"#!/bin/sh\n{leave}\n")
    start("sh", "-c", f"while :; do {BIN}/termination-watch; done")


def test_a_machine_leaves_when_it_is_taken_away_and_not_before(machine: Sandbox, start: Start) -> None:
    watched(machine, start, 'echo "limit <$1>"')
    wait_for(lambda: verbs(machine) == ["terminating", "await_terminating"])
    assert machine.said() == []
    machine.write("/standin/terminating", "")
    wait_for(lambda: verbs(machine)[2:] == ["terminating", "let_go"])
    assert machine.said() == [
        "hashistack: this machine is being taken away: leaving",
        "limit <>",
        "hashistack: letting go",
    ]


@pytest.mark.parametrize(("leave", "ended"), [("exit 7", 7), ("exec sleep 1000", 124)])
def test_it_lets_go_whatever_becomes_of_the_leave(machine: Sandbox, start: Start, leave: str, ended: int) -> None:
    gone_at = int(time.time()) + 8
    machine.write("/standin/terminating", f"{gone_at}\n")
    watched(machine, start, leave)
    wait_for(lambda: "let_go" in verbs(machine))
    assert time.time() < gone_at
    assert f"hashistack: did not leave in an orderly way: ended with {ended}" in machine.said()


def test_the_platform_is_told_to_wait_as_long_as_the_machine_leaves_and_no_longer(
    machine: Sandbox, start: Start
) -> None:
    machine.write("/standin/terminating", "")
    watched(machine, start, "until [ -e /standin/go-on ]; do sleep 0.1; done")
    machine.bundle_path("bin/platform").write_text(
        machine.bundle_path("bin/platform")
        .read_text()
        .replace(
            "hold) exec sleep 1000 ;;",
            "hold) trap 'rm /standin/held; exit' TERM; : >/standin/held; while :; do sleep 0.1; done ;;",
        )
    )
    wait_for(lambda: machine.path("/standin/held").exists())
    assert "let_go" not in verbs(machine)
    machine.write("/standin/go-on", "")
    wait_for(lambda: "let_go" in verbs(machine))
    wait_for(lambda: not machine.path("/standin/held").exists())


def test_forget_purges_those_that_have_left_and_no_others(server: Sandbox, start: Start) -> None:
    def node(name: str, status: str, said: str | None) -> dict[str, Any]:
        return {"ID": name, "Name": name, "Status": status, "LastDrain": said and {"Meta": {"hashistack": said}}}

    nodes = [
        node("left", "ready", "left"),
        node("lost-while-leaving", "down", "leaving"),
        node("leaving", "ready", "leaving"),
        node("down", "down", None),
        {**node("drained", "down", "x"), "LastDrain": {"Meta": None}},
    ]
    for asked in (NODES, NODES.replace("index=1", "index=7")):
        server.answer(asked, json.dumps(nodes))
    server.answer(MEMBERS, '{"Members":[{"Name":"s-1.global","Status":"alive"},{"Name":"s-2.global","Status":"left"}]}')
    server.answer(PRUNE.format("s-2"), "")
    members = [{"Name": "s-1", "Status": 1, "Port": 1}, {"Name": "w-2", "Status": 3, "Port": 1}]
    server.answer("127.0.0.1:8500/v1/agent/members", json.dumps(members, separators=(",", ":")))
    server.answer("127.0.0.1:8500/v1/agent/force-leave/w-2?prune=1", "")
    for name in ("left", "lost-while-leaving"):
        server.answer(f"localhost:4646/v1/node/{name}/purge", "{}")
    server.write("/standin/index", "7")
    start(f"{BIN}/prune-members")
    wait_for(lambda: "hashistack: purged lost-while-leaving, which has left" in server.said())
    purged = {line.rsplit("/", 2)[1] for line in server.read(ASKED).splitlines() if line.endswith("/purge")}
    assert purged == {"left", "lost-while-leaving"}
    wait_for(lambda: "hashistack: pruned s-2.global, which has left" in server.said())
    wait_for(lambda: "hashistack: pruned w-2 from Consul, which it has left" in server.said())
    wait_for(lambda: "index=7&" in server.read(ASKED))  # it waits for what comes next
    assert "the-secret" not in server.read(ASKED)
