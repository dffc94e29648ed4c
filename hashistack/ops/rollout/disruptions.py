"""Jobs that a roll interrupts: with one allocation, with data on a machine that goes, with nowhere to go. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from hashistack.ops.api.connection import Connection
from hashistack.ops.api.nodes import Node
from hashistack.ops.api.placed import Placed
from hashistack.ops.readiness import smoke
from hashistack.ops.rollout.failed_moves import title
from hashistack.ops.rollout.fleet import Fleet
from hashistack.ops.rollout.observer import Observation

LOSING = "what is kept on a machine is gone with it, and so are the data of"
HOMELESS = "jobs that ask for a node pool which no declared pool has: nothing would run them"


def disruptions(placed: Iterable[Placed], fleet: Fleet) -> list[str]:
    """Groups of service jobs with one allocation, on an outdated machine, as `namespace/job.group`, sorted.

    A drain stops an allocation while its successor starts: nobody else answers in between.
    """
    old = {machine.name for pool in fleet.pools for machine in pool.machines if machine.bundle != pool.bundle}
    found = [one for one in placed if one.kind == "service" and not one.over]
    groups = [f"{one.namespace}/{one.name.rpartition('[')[0]}" for one in found]
    counts = Counter(groups)
    return sorted({group for one, group in zip(found, groups, strict=True) if counts[group] == 1 and one.node in old})


def losing(
    seen: Observation, fleet: Fleet, writers: Collection[tuple[str, str]], volumes: Mapping[str, Collection[str]]
) -> list[str]:
    """Jobs and dynamic host volumes whose data goes with an outdated machine, sorted.

    `namespace/job`, and `namespace/volume (volume on MACHINE)`. A new machine has the same host volumes, empty; a
    dynamic one is made anew by nobody, and its jobs wait for it. writers, volumes: as `Nomad.writers` and
    `Nomad.host_volumes` answer.
    """
    old = {machine.name for pool in fleet.pools for machine in pool.machines if machine.bundle != pool.bundle}
    there = [one for one in seen.placed if not one.over and one.node in old]
    jobs = {title(one.namespace, one.job) for one in there if (one.namespace, one.job) in writers}
    made = {
        f"{volume} (volume on {node.name})"
        for node in seen.nodes.values()
        if node.name in old
        for volume in volumes.get(node.id, ())
    }
    return sorted(jobs | made)


def homeless(
    connection: Connection, fleet: Fleet, nodes: Iterable[Node], node_pools: Mapping[tuple[str, str], str]
) -> list[str]:
    """Jobs in a node pool of machines that go, which no declared pool has, as `namespace/job (node pool)`, sorted.

    Nomad would place them nowhere. node_pools: as `Nomad.node_pools` answers.
    """
    declared = {pool.node_pool for pool in connection.pools if pool.role == "client"}
    going = {
        machine.name
        for pool in fleet.pools
        for machine in pool.machines
        if machine.bundle != pool.bundle or not pool.count
    }
    ending = {node.node_pool for node in nodes if node.name in going} - declared
    # The smoke job is registered anew with each `up`, wherever it may run.
    return sorted(
        f"{namespace}/{job} ({pool})"
        for (namespace, job), pool in node_pools.items()
        if pool in ending and (namespace, job) != ("default", smoke.JOB)
    )
