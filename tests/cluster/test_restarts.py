"""Machines that restart. Those that are gone: see test_faults_servers.py."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from .datacenter import Datacenter
from .project import until
from .service import Service


def _ids(datacenter: Datacenter) -> dict[str, str]:
    """Of the machines that there are: what an earlier test has removed may stay listed for a while."""
    names = {machine.name for machine in datacenter.machines()}
    found = {f"consul {node['Node']}": node["ID"] for node in datacenter.consul("/v1/catalog/nodes")}
    found |= {f"nomad {node['Name']}": node["ID"] for node in datacenter.nomad("/v1/nodes")}
    return {key: id for key, id in found.items() if key.partition(" ")[2] in names}


def _drains(datacenter: Datacenter) -> dict[str, tuple[str, str]]:
    """Client to whether it takes work, and when it was drained last."""
    names = {machine.name for machine in datacenter.clients}
    return {
        node["Name"]: (node["SchedulingEligibility"], str(node["LastDrain"]))
        for node in datacenter.nomad("/v1/nodes")
        if node["Name"] in names
    }


def _nothing_has_left(datacenter: Datacenter, drains: dict[str, tuple[str, str]]) -> None:
    assert _drains(datacenter) == drains
    assert {eligible for eligible, _ in drains.values()} == {"eligible"}
    for machine in datacenter.machines():
        assert "leaving" not in machine.log("termination-watch")


def test_agents_that_restart_keep_allocations_and_ids(datacenter: Datacenter) -> None:
    service = Service(datacenter, "staying").start()
    try:
        ids, allocations, drains = _ids(datacenter), service.allocations(), _drains(datacenter)
        restarted = {machine: machine.process("nomad") for machine in [datacenter.clients[0], datacenter.servers[0]]}
        for machine in restarted:
            machine.sh("sv -w 60 restart /etc/service/nomad /etc/service/consul /etc/service/termination-watch")
        for machine, before in restarted.items():
            until(lambda machine=machine, before=before: machine.process("nomad") != before, 60, "a new agent")
        datacenter.healthy()
        until(lambda: len(service.instances()) == 2, 120, "both answer")
        assert service.allocations() == allocations
        assert _ids(datacenter) == ids
        _nothing_has_left(datacenter, drains)
    finally:
        service.stop()


def test_restarted_machines_come_back_as_themselves(datacenter: Datacenter) -> None:
    service = Service(datacenter, "resumed").start()
    try:
        before, allocations, drains = _ids(datacenter), service.allocations(), _drains(datacenter)
        restarted = [datacenter.servers[-1], datacenter.clients[0]]
        started = [machine.sh("cat /proc/1/stat").split()[21] for machine in restarted]
        with ThreadPoolExecutor() as both:
            list(both.map(lambda machine: machine.container.restart(timeout=20), restarted))
        assert [machine.sh("cat /proc/1/stat").split()[21] for machine in restarted] != started
        assert datacenter.healthy()["vault"].count("active") == 1
        assert _ids(datacenter) == before
        # Tasks end with the machine; each allocation starts its own again, where it was.
        until(lambda: len(service.instances()) == 2, 120, "both answer again")
        assert service.allocations() == allocations
        _nothing_has_left(datacenter, drains)
    finally:
        service.stop()
    # Healthy by itself; and `up` agrees that there is nothing to do.
    assert "nothing to change" in datacenter.project.run("up")
