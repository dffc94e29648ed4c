"""What `up` promises, checked with the vendor's own commands in the environment of `hashistack env`."""

from __future__ import annotations

import json
import re

from .datacenter import Datacenter


def test_consul_has_all_machines_and_three_voters(datacenter: Datacenter) -> None:
    members = datacenter.vendor("consul", "members").splitlines()[1:]
    assert len(members) == 5
    assert all(" alive " in line for line in members), members
    peers = datacenter.vendor("consul", "operator", "raft", "list-peers").splitlines()[1:]
    assert len(peers) == 3
    assert all(re.search(r"\s(leader|follower)\s+true\s", line) for line in peers), peers
    assert sum("leader" in line for line in peers) == 1


def test_nomad_has_three_voters_and_two_ready_clients(datacenter: Datacenter) -> None:
    members = datacenter.vendor("nomad", "server", "members").splitlines()[1:]
    assert len(members) == 3
    assert all(" alive " in line for line in members), members
    nodes = datacenter.vendor("nomad", "node", "status").splitlines()[1:]
    ready = [line for line in nodes if line.split()[-2:] == ["eligible", "ready"]]
    assert len(ready) == 2, nodes
    peers = datacenter.vendor("nomad", "operator", "raft", "list-peers").splitlines()[1:]
    assert len(peers) == 3
    assert all(" true " in line for line in peers), peers


def test_vault_is_unsealed_on_each_server_and_has_three_voters(datacenter: Datacenter) -> None:
    for address in datacenter.connection.vault.addresses:
        status = json.loads(datacenter.vendor("vault", "status", "-format=json", VAULT_ADDR=address))
        assert (status["initialized"], status["sealed"]) == (True, False), address
    peers = json.loads(datacenter.vendor("vault", "operator", "raft", "list-peers", "-format=json"))
    servers = peers["data"]["config"]["servers"]
    assert len(servers) == 3
    assert all(server["voter"] for server in servers)


def test_the_smoke_job_runs_and_answers_by_its_name_on_every_client(datacenter: Datacenter) -> None:
    assert re.search(r"^Status\s+= running$", datacenter.vendor("nomad", "job", "status", "smoke"), re.M)
    answers = {machine.get("http://smoke.service.consul:18080/") for machine in datacenter.clients}
    secret = json.loads(datacenter.vendor("vault", "kv", "get", "-format=json", "kv/default/smoke"))
    assert answers == {(200, secret["data"]["data"]["value"])}


def test_a_task_in_a_bridge_network_resolves_names(datacenter: Datacenter) -> None:
    found = datacenter.exec("web", "-job", "smoke", "nslookup", "smoke.service.consul")
    assert any(machine.ip in found for machine in datacenter.clients), found


def test_status_calls_it_healthy(datacenter: Datacenter) -> None:
    status = datacenter.healthy()
    assert [row["role"] for row in status["machines"]].count("server") == 3
    assert len(status["machines"]) == 5
    assert status["can_lose"] == {"nomad": 1, "consul": 1, "vault": 1}
    assert {row["dns"] for row in status["machines"]} == {"answers"}


def test_another_up_finds_nothing_to_change(datacenter: Datacenter) -> None:
    before = [machine.container.id for machine in datacenter.machines()]
    assert "nothing to change" in datacenter.project.run("up")
    assert [machine.container.id for machine in datacenter.machines()] == before
