"""Machines that are taken away: they drain, leave and stop by themselves, and nothing is left of them anywhere."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .datacenter import Datacenter, Machine
from .project import until
from .service import Asking, Service

KEYS = {
    "consul": "http://127.0.0.1:8500/v1/kv/leaving",
    "nomad": "https://localhost:4646/v1/var/leaving",
}


@pytest.fixture
def whole(datacenter: Datacenter) -> Iterator[Datacenter]:
    """The cluster with all its machines; those that the test took away are replaced afterwards."""
    datacenter.healthy()
    yield datacenter
    datacenter.project.run("up")
    datacenter.healthy()


@pytest.fixture
def serve(whole: Datacenter) -> Iterator[Callable[..., Service]]:
    started: list[Service] = []

    def start(name: str, **options: Any) -> Service:
        started.append(Service(whole, name, **options).start())
        return started[-1]

    yield start
    for service in started:
        service.stop()


def exited(machine: Machine) -> bool:
    machine.container.reload()
    return bool(machine.container.status == "exited")


def take_away(machine: Machine, seconds: float) -> float:
    """Says that it is taken away; returns how long it took until it had ended with 0."""
    started = time.monotonic()
    machine.container.kill("SIGPWR")
    until(lambda: exited(machine), seconds, f"{machine.name} ends:\n{log(machine)}")
    took = time.monotonic() - started
    assert machine.container.attrs["State"]["ExitCode"] == 0
    print(f"{machine.name} left and ended within {took:.1f} s\n{log(machine)}")
    return took


def log(machine: Machine) -> str:
    """What node-watch said, from a machine that runs or not."""
    parts, _ = machine.container.get_archive("/var/log/hashistack/node-watch/current")
    return b"".join(parts).decode(errors="replace").strip("\0")


def ask(machine: Machine, path: str, header: str) -> Any:
    """What one of the machine's own agents answers, by a token that the machine has."""
    status, body = machine.get(path, f"-H @/run/hashistack/api/{header}")
    assert status == 200, f"{machine.name}: {path}: {status} {body}"
    return json.loads(body)


def peers(machine: Machine) -> dict[str, list[tuple[str, bool]]]:
    """Raft's peers, and whether they vote, as this server's products see them."""
    consul = ask(machine, "http://127.0.0.1:8500/v1/operator/raft/configuration", "consul-agent")
    nomad = ask(machine, "https://localhost:4646/v1/operator/raft/configuration", "nomad")
    vault = ask(machine, "https://localhost:8200/v1/sys/storage/raft/configuration", "vault")
    return {
        "consul": sorted((one["Node"], one["Voter"]) for one in consul["Servers"]),
        "nomad": sorted((one["Node"].partition(".")[0], one["Voter"]) for one in nomad["Servers"]),
        "vault": sorted((one["node_id"], one["voter"]) for one in vault["data"]["config"]["servers"]),
    }


def leader(datacenter: Datacenter, product: str) -> Machine:
    """The server that leads the product's Raft."""
    asked = datacenter.servers[0]
    if product == "vault":
        found = ask(asked, "https://localhost:8200/v1/sys/leader", "none")["leader_address"]
    else:
        url = {"consul": "http://127.0.0.1:8500", "nomad": "https://localhost:4646"}[product]
        found = ask(asked, f"{url}/v1/status/leader", "none")
    return next(server for server in datacenter.servers if f"{server.ip}:" in found)


def ghosts(datacenter: Datacenter, machine: Machine, asked: Machine) -> list[str]:
    """Where the machine can still be seen; gossip too has forgotten it."""
    found = [f"{product}'s peers" for product, known in peers(asked).items() if machine.name in dict(known)]
    catalog = ask(asked, "http://127.0.0.1:8500/v1/catalog/nodes", "consul-agent")
    found += ["Consul's catalog" for node in catalog if node["Node"] == machine.name]
    members = ask(asked, "http://127.0.0.1:8500/v1/agent/members", "consul-agent")
    found += [f"Consul's members: {m['Status']}" for m in members if m["Name"] == machine.name]
    nomad = ask(asked, "https://localhost:4646/v1/agent/members", "nomad")["Members"]
    found += [f"Nomad's members: {m['Status']}" for m in nomad if m["Name"].partition(".")[0] == machine.name]
    nodes = ask(asked, "https://localhost:4646/v1/nodes", "nomad")
    found += [f"Nomad's nodes: {node['Status']}" for node in nodes if node["Name"] == machine.name]
    return found


def says_leaving(datacenter: Datacenter, machine: Machine) -> bool:
    found = datacenter.consul(f"/v1/health/node/{machine.name}")
    said = [check["Output"] for check in found if check["CheckID"] == "hashistack" and check["Status"] == "critical"]
    return any('"nomad":"leaving"' in output and '"ok":false' in output for output in said)


def test_a_client_that_is_taken_away_loses_no_request(whole: Datacenter, serve: Callable[..., Service]) -> None:
    service = serve("leaving")
    victim = next(machine for machine in whole.clients if machine.name in service.allocations().values())
    with Asking(service) as load:
        until(lambda: load.asked > 50, 30, "requests")
        victim.container.kill("SIGPWR")
        until(lambda: says_leaving(whole, victim), 15, "its health says that it is leaving")
        until(lambda: exited(victim), 60, "it ends")
        print(log(victim))
        after = load.asked
        until(lambda: load.asked > after + 200, 60, "more requests")
    assert victim.container.attrs["State"]["ExitCode"] == 0
    assert load.failed == []
    assert victim.name not in service.allocations().values()
    asked = whole.servers[0]
    until(lambda: ghosts(whole, victim, asked) == [], 20, "nothing is left of it")
    assert [line for line in log(victim).splitlines() if "gave up" in line] == []
    # It does not come back to life.
    victim.container.start()
    until(lambda: "it starts nothing any more" in victim.container.logs().decode(), 10, "it says so")
    assert victim.run("pgrep runsvdir")[0] == 1
    victim.container.stop(timeout=10)
    assert victim.container.wait()["StatusCode"] == 0


@pytest.mark.parametrize("product", ["vault", "nomad", "consul"])
def test_a_leader_that_is_taken_away_leaves_no_peer_and_its_successor_joins(whole: Datacenter, product: str) -> None:
    victim = leader(whole, product)
    others = [server for server in whole.servers if server.name != victim.name]
    names = sorted(server.name for server in others)
    value = f"before {victim.name}"
    others[0].sh(f"curl -sf -H @/run/hashistack/api/consul -X PUT -d '{value}' {KEYS['consul']}")
    take_away(victim, 75)
    assert [line for line in log(victim).splitlines() if "gave up" in line] == []
    for server in others:
        expected = [(name, True) for name in names]
        until(lambda server=server, expected=expected: peers(server) == dict.fromkeys(peers(server), expected), 10, "")
        until(lambda server=server: ghosts(whole, victim, server) == [], 20, f"{server.name} has forgotten it")
    # The two go on, and can be written to.
    others[1].sh(f"curl -sf -H @/run/hashistack/api/consul -X PUT -d later {KEYS['consul']}-2")
    written = f"""-X PUT -d '{{"Path":"leaving","Items":{{"a":"{victim.name}"}}}}'"""
    assert others[1].get(KEYS["nomad"], f"-H @/run/hashistack/api/nomad {written}")[0] == 200
    assert ask(others[1], "https://localhost:8200/v1/sys/health?standbyok=true", "none")["sealed"] is False
    # A fresh machine joins them; it makes no cluster of its own, though it expects three servers.
    known = {machine.name for machine in whole.servers}
    whole.project.run("up")
    (fresh,) = [server for server in whole.servers if server.name not in known]
    whole.healthy()
    voters = dict.fromkeys(
        ("consul", "nomad", "vault"), sorted([*((name, True) for name in names), (fresh.name, True)])
    )
    assert peers(fresh) == peers(others[0]) == voters
    assert fresh.sh(f"curl -sf -H @/run/hashistack/api/consul {KEYS['consul']}?raw") == value


def test_a_notice_is_kept_although_a_task_takes_longer_to_stop(
    whole: Datacenter, serve: Callable[..., Service]
) -> None:
    stubborn = "trap : INT TERM; mkdir -p local/www && echo up >local/www/index.html; "
    stubborn += '"$(command -v busybox-extras || command -v busybox)" httpd -p "$NOMAD_PORT_http" -h local/www; '
    service = serve("stubborn", kill_timeout=29, command=stubborn + "while :; do sleep 1; done")
    victim = next(machine for machine in whole.clients if machine.name in service.allocations().values())
    started = time.time()
    victim.sh(f"echo {int(started) + 30} >/platform/terminating")

    def out() -> bool:
        victim.container.reload()
        return bool(victim.container.status == "exited" or victim.container.attrs["RestartCount"])

    until(out, 40, f"it ends:\n{log(victim)}")
    print(f"out after {time.time() - started:.1f} s of 30\n{log(victim)}")
    assert time.time() - started < 30
    # Docker started it again, and it stays down.
    assert "it starts nothing any more" in victim.container.logs().decode()
    asked = whole.servers[0]
    until(lambda: ghosts(whole, victim, asked) == [], 20, "nothing is left of it")
    victim.container.remove(force=True, v=True)
