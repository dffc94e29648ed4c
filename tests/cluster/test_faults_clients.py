"""F11, F12, F16 and F23: a client that is cut off, a drain whose deadline is hit, a client without its Consul agent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from hashistack.ops.api.cluster import Cluster

from .datacenter import Datacenter, Machine
from .project import until
from .service import SECOND, Service

OUTAGE_SECONDS = 20
"""Less than the servers' grace (30 s by default), which comes on top of a heartbeat's own 10 to 20 s; enough for
Consul's gossip to be sure that the machine is gone, on a busy host too."""
GOSSIP_SECONDS = 30
"""How often gossip tries to reach those that it takes for failed (Serf's ReconnectInterval)."""
MISSED_SECONDS = 20 + 30 + 40
"""The longest that a heartbeat and the grace may take, and time for a busy machine."""


@contextmanager
def cut_off(machine: Machine) -> Iterator[None]:
    """Nothing goes out of the machine or comes in, and no peer is told."""
    rules = ("INPUT -i eth0", "OUTPUT -o eth0")
    drop = "iptables -w -C {0} -j DROP 2>/dev/null || iptables -w -I {0} -j DROP"
    machine.sh("; ".join(drop.format(rule) for rule in rules))
    try:
        yield
    finally:
        machine.sh("".join(f"while iptables -w -D {rule} -j DROP 2>/dev/null; do :; done; " for rule in rules))


@pytest.fixture
def service(datacenter: Datacenter) -> Iterator[Service]:
    """Two instances, one a client."""
    datacenter.healthy()
    made = Service(datacenter, "cut").start()
    try:
        assert len(set(made.allocations().values())) == 2
        yield made
    finally:
        made.stop()
        datacenter.healthy()


def node(datacenter: Datacenter, machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in datacenter.nomad("/v1/nodes") if one["Name"] == machine.name)
    return found


def status(datacenter: Datacenter, allocation: str) -> str:
    """What Nomad's servers take an allocation's state for."""
    return str(datacenter.nomad(f"/v1/allocation/{allocation}")["ClientStatus"])


def processes(machine: Machine, allocation: str) -> list[str]:
    """The first process of each of an allocation's tasks on a machine; a web server's children come and go."""
    found = machine.run(f"grep -lsa 'NOMAD_ALLOC_ID={allocation}' /proc/[0-9]*/environ")[1].split()
    if not found:
        return []
    # A task has a namespace of its own, whose process 1 this is.
    states = " ".join(place.replace("environ", "status") for place in found)
    return machine.run(f"grep -lsE '^NSpid:.*[[:space:]]1$' {states}")[1].split()


def test_f11_f12_work_outlives_a_short_cut_and_moves_at_a_long_one(datacenter: Datacenter, service: Service) -> None:
    before = service.allocations()
    (allocation, name) = next(iter(before.items()))
    victim = next(machine for machine in datacenter.clients if machine.name == name)
    running = processes(victim, allocation)
    assert running
    with cut_off(victim):
        over = time.monotonic() + OUTAGE_SECONDS
        # Consul's gossip sees it within seconds: the cut is real.
        until(lambda: len(service.instances()) == 1, OUTAGE_SECONDS, f"Consul misses {name}")
        time.sleep(max(0.0, over - time.monotonic()))  # the outage itself
        assert processes(victim, allocation) == running
    # The cut-off agent takes all others for failed too: gossip tries one of them every 30 s.
    until(lambda: len(service.instances()) == 2, 2 * GOSSIP_SECONDS, f"{name} is back in DNS")
    assert service.allocations() == before
    assert processes(victim, allocation) == running
    assert node(datacenter, victim)["Status"] == "ready"

    started = time.monotonic()
    with cut_off(victim):
        until(lambda: node(datacenter, victim)["Status"] == "down", MISSED_SECONDS, f"Nomad misses {name}")
        print(f"{name} is down {time.monotonic() - started:.1f} s after it was cut off")
        # Its allocations are lost once an evaluation, which the change of the node makes, has been through.
        until(lambda: status(datacenter, allocation) == "lost", 30, f"{allocation} is lost")

        def replaced() -> bool:
            now = service.allocations()
            return len(service.instances()) == 2 and len(now) == 2 and allocation not in now

        until(replaced, 120, "a replacement serves")
        assert name not in service.allocations().values()
        # Nobody could tell the machine: its copy still runs there.
        assert processes(victim, allocation) == running
    back = time.monotonic()
    until(lambda: processes(victim, allocation) == [], 90, "the old copy is stopped when its machine is back")
    print(f"the old copy ended {time.monotonic() - back:.1f} s after the cut")
    until(lambda: node(datacenter, victim)["Status"] == "ready", 90, f"{name} is ready again")
    until(lambda: allocation not in service.allocations(), 60, "the servers hear that the old copy has ended")
    assert len(service.allocations()) == 2


def test_f16_a_deadline_stops_what_is_left_and_each_gets_its_time_to_stop(datacenter: Datacenter) -> None:
    datacenter.healthy()
    deadline, kill_timeout = 4, 5
    task = {
        "Name": "deaf",
        "Driver": "exec",
        "Config": {"command": "/bin/sh", "args": ["-c", "trap : INT TERM; while :; do sleep 0.2; done"]},
        "Resources": {"CPU": 20, "MemoryMB": 32},
        "KillTimeout": kill_timeout * SECOND,
        "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
    }
    # A drain moves no batch job: it waits for it, until the deadline.
    job = {"ID": "deaf", "Name": "deaf", "Type": "batch", "Datacenters": ["*"]}
    job["TaskGroups"] = [{"Name": "deaf", "Count": 1, "Tasks": [task]}]

    def allocations() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = datacenter.nomad("/v1/job/deaf/allocations")
        return found

    with Cluster(datacenter.connection) as cluster:
        cluster.nomad.register(job)
        first = until(lambda: [one for one in allocations() if one["ClientStatus"] == "running"], 90, "it runs")[0]
        drained = next(one for one in cluster.nomad.nodes() if one.id == first["NodeID"])
        began = time.time()
        try:
            cluster.nomad.set_eligible(drained, False)
            cluster.nomad.drain(drained, deadline)

            def over() -> bool:
                (told,) = [one for one in allocations() if one["ID"] == first["ID"]]
                return bool(told["TaskStates"]["deaf"]["State"] == "dead")

            until(over, deadline + kill_timeout + 20, "it is stopped")
            state = datacenter.nomad(f"/v1/allocation/{first['ID']}")["TaskStates"]["deaf"]
        finally:
            cluster.nomad.undrain(drained)
            datacenter.nomad("/v1/job/deaf?purge=true", method="DELETE")
    told = next(event["Time"] / SECOND for event in state["Events"] if event["Type"] == "Killing")
    ended = datetime.fromisoformat(state["FinishedAt"].partition(".")[0] + "+00:00").timestamp() + 1
    print(f"told to stop {told - began:.1f} s after the drain began, ended after {ended - began:.0f} s")
    assert deadline <= told - began < deadline + 10
    assert kill_timeout <= ended - told < kill_timeout + 10
    datacenter.healthy()


def test_f23_a_client_without_its_consul_agent_keeps_its_work_and_serves_no_drained_address(
    datacenter: Datacenter,
) -> None:
    datacenter.healthy()
    smoke = datacenter.nomad("/v1/job/smoke/allocations")
    kept = next(one for one in smoke if one["ClientStatus"] == "running")
    deaf = next(machine for machine in datacenter.clients if machine.name == kept["NodeName"])
    other = next(machine for machine in datacenter.clients if machine.name != deaf.name)
    service = Service(datacenter, "drained", count=1, node=other.name).start()
    (allocation,) = service.allocations()
    look_up = "getent ahostsv4 drained.service.consul | cut -d' ' -f1 | sort -u"
    running = processes(deaf, kept["ID"])
    try:
        deaf.sh("sv -w 60 down /etc/service/consul")
        assert deaf.sh(look_up).split() == [other.ip]
        with Cluster(datacenter.connection) as cluster:
            drained = next(one for one in cluster.nomad.nodes() if one.name == other.name)
            try:
                cluster.nomad.set_eligible(drained, False)
                cluster.nomad.drain(drained, 30)
                served_at = time.time()

                def gone() -> bool:
                    nonlocal served_at
                    asked_at = time.time()
                    if not deaf.run(look_up)[1].split():
                        return True
                    served_at = asked_at
                    return False

                until(gone, 60, "the drained instance is out of DNS")
                until(lambda: processes(other, allocation) == [], 60, "it ends")
                ended = time.time()
            finally:
                cluster.nomad.undrain(drained)
        # Asked for last when it still ran: for the service's shutdown_delay after it had left the catalog.
        print(f"last served {ended - served_at:.1f} s before it ended")
        assert ended - served_at > service.shutdown_delay / 2
        assert deaf.run("getent ahostsv4 consul.service.consul")[0] == 0
        assert processes(deaf, kept["ID"]) == running
        (now,) = [one for one in datacenter.nomad("/v1/job/smoke/allocations") if one["ClientStatus"] == "running"]
        assert now["ID"] == kept["ID"]
    finally:
        deaf.sh("sv up /etc/service/consul")
        service.stop()
    datacenter.healthy()
