"""Machines that are taken away: they drain, leave and stop by themselves, and nothing is left of them anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from bench.writes import Writes
from hashistack.ops.api.cluster import Cluster

from .datacenter import Datacenter, Machine
from .project import until
from .raft import PRODUCTS, Leading, ghosts, leader, leader_of_all, nothing_lost, peers
from .service import Asking, Service

ELECTION_SECONDS = 15
"""Consul's documentation: up to 5 s until a leader is missed and 5 s for an election; with room for a busy machine."""


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
    until(lambda: exited(machine), seconds, lambda: f"{machine.name} ends:\n{log(machine)}")
    took = time.monotonic() - started
    assert machine.container.attrs["State"]["ExitCode"] == 0
    print(f"{machine.name} left and ended within {took:.1f} s\n{log(machine)}")
    return took


def log(machine: Machine) -> str:
    """What termination-watch said, from a machine that runs or not."""
    parts, _ = machine.container.get_archive("/var/log/hashistack/termination-watch/current")
    return b"".join(parts).decode(errors="replace").strip("\0")


def says_leaving(datacenter: Datacenter, machine: Machine) -> bool:
    found = datacenter.consul(f"/v1/health/node/{machine.name}")
    said = [check["Output"] for check in found if check["CheckID"] == "hashistack" and check["Status"] == "critical"]
    return any('"nomad":"leaving"' in output and '"ok":false' in output for output in said)


def test_a_client_that_is_taken_away_loses_no_request(whole: Datacenter, serve: Callable[..., Service]) -> None:
    service = serve("leaving")
    victim = next(machine for machine in whole.clients if machine.name in service.allocations().values())
    with Asking(service) as load:
        until(lambda: load.asked > 50, 60, "requests")
        victim.container.kill("SIGPWR")
        until(lambda: says_leaving(whole, victim), 30, "its health says that it is leaving")
        until(lambda: exited(victim), 120, lambda: f"it ends:\n{log(victim)}")
        print(log(victim))
        after = load.asked
        until(lambda: load.asked > after + 200, 60, "more requests")
    assert victim.container.attrs["State"]["ExitCode"] == 0
    assert load.failed == []
    assert victim.name not in service.allocations().values()
    asked = whole.servers[0]
    until(lambda: ghosts(victim, asked) == [], 60, lambda: f"nothing is left of it: {ghosts(victim, asked)}")
    assert [line for line in log(victim).splitlines() if "gave up" in line] == []
    # It does not come back to life.
    victim.container.start()
    until(lambda: "it starts nothing any more" in victim.container.logs().decode(), 30, "it says so")
    assert victim.run("pgrep runsvdir")[0] == 1
    victim.container.stop(timeout=30)
    assert victim.container.wait()["StatusCode"] == 0


def test_the_leader_of_each_product_that_is_taken_away_leaves_no_peer_and_its_successor_joins(
    whole: Datacenter,
) -> None:
    victim = leader_of_all(whole)
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster(whole.connection))
        seen = {product: stack.enter_context(Leading(whole, product)) for product in PRODUCTS}
        until(lambda: all(one.moves for one in seen.values()), 20, "each product is led")
        others = [server for server in whole.servers if server.name != victim.name]
        names = sorted(server.name for server in others)
        writes = Writes(cluster)
        writes.start()
        try:
            take_away(victim, 150)
        finally:
            written = writes.stop()
    # Each is written to all the time, and its leadership moves once, to one who keeps it.
    nothing_lost(written)
    assert max(one.longest for one in written.values()) < ELECTION_SECONDS
    for product, one in seen.items():
        heir = leader(whole, product).name
        assert (one.moves, one.doubles) == ([victim.name, heir], []), product
        assert heir != victim.name
    assert [line for line in log(victim).splitlines() if "gave up" in line] == []
    for server in others:
        expected = [(name, True) for name in names]
        until(lambda server=server, expected=expected: peers(server) == dict.fromkeys(PRODUCTS, expected), 30, "")
        until(lambda server=server: ghosts(victim, server) == [], 60, f"{server.name} has forgotten it")
    # A fresh machine joins them; it makes no cluster of its own, though it expects three servers.
    known = {machine.name for machine in whole.servers}
    whole.project.run("heal")
    (fresh,) = [server for server in whole.servers if server.name not in known]
    whole.healthy()
    voters = sorted([*((name, True) for name in names), (fresh.name, True)])
    assert peers(fresh) == peers(others[0]) == dict.fromkeys(PRODUCTS, voters)


def test_a_notice_is_kept_although_a_task_takes_longer_to_stop(
    whole: Datacenter, serve: Callable[..., Service]
) -> None:
    stubborn = "trap : INT TERM; mkdir -p local/www && echo up >local/www/index.html; "
    stubborn += '"$(command -v busybox-extras || command -v busybox)" httpd -p "$NOMAD_PORT_http" -h local/www; '
    service = serve("stubborn", kill_timeout=29, command=stubborn + "while :; do sleep 1; done")
    victim = next(machine for machine in whole.clients if machine.name in service.allocations().values())
    started = time.time()
    victim.sh(f"echo {int(started) + 30} >/platform/terminating; kill -s PWR 1")

    def out() -> bool:
        victim.container.reload()
        return bool(victim.container.status == "exited" or victim.container.attrs["RestartCount"])

    until(out, 40, lambda: f"it ends:\n{log(victim)}")
    print(f"out after {time.time() - started:.1f} s of 30\n{log(victim)}")
    assert time.time() - started < 30
    # Docker started it again, and it stays down.
    until(lambda: "it starts nothing any more" in victim.container.logs().decode(), 40, f"{victim.name} idles")
    asked = whole.servers[0]
    until(lambda: ghosts(victim, asked) == [], 60, lambda: f"nothing is left of it: {ghosts(victim, asked)}")
