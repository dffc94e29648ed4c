"""A fleet as it is now: what the platform lists, and what Nomad, Consul and Vault say of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Pool as Declared
from hashistack.ops.api.consul import MachineHealth
from hashistack.ops.api.nodes import Node
from hashistack.ops.api.placed import Placed
from hashistack.ops.api.raft import Raft
from hashistack.ops.readiness import smoke
from hashistack.ops.rollout.clock import Clock
from hashistack.ops.rollout.desired import pool_of, wanted
from hashistack.ops.rollout.driver import Instance, PoolDriver
from hashistack.ops.rollout.fleet import Fleet, Machine, Pool, State

BOOT_SECONDS = 60.0
"""A machine that is healthy at the first look, and older than this, is taken to have been so since then."""

STALE_SECONDS = 10.0
"""How long a name without a machine is left to the products' own tidying."""

SETTLE_SECONDS = 60.0
"""How long a name without a machine may count as well, before nobody waits any longer for it to be missed."""


@dataclass(frozen=True)
class Observation:
    """One look: the fleet, and the details that the steps need."""

    fleet: Fleet
    nodes: Mapping[str, Node] = field(default_factory=dict)
    placed: tuple[Placed, ...] = ()
    rafts: Mapping[str, Raft] = field(default_factory=dict)
    settling: bool = False
    """Names without a machine are still listed, and have time to go by themselves before they count as stale."""


class Observer:
    """Looks at a cluster again and again, and remembers since when each machine is healthy.

    roll: with False, machines of another bundle than the declared one are taken as they are.
    """

    def __init__(self, cluster: Cluster, driver: PoolDriver, roll: bool = True, clock: Clock | None = None) -> None:
        self._cluster, self._driver, self._roll = cluster, driver, roll
        self._clock = clock or Clock()
        self._healthy_since: dict[str, float] = {}
        self._stale_since: dict[str, float] = {}
        self._looked = False

    def look(self) -> Observation:
        """The fleet now. Raises ApiError where a product does not answer, DriverFailed where the platform doesn't."""
        instances = self._driver.instances()
        cluster = self._cluster
        asked: dict[str, Callable[[], Any]] = {
            "consul": cluster.consul.raft,
            "nomad": cluster.nomad.raft,
            "vault": cluster.vault.raft,
            "health": cluster.consul.machine_health,
            "machines": cluster.consul.machines,
            "nodes": cluster.nomad.nodes,
            "placed": lambda: tuple(cluster.nomad.placed()),
        }
        with ThreadPoolExecutor(len(asked)) as workers:
            futures = {name: workers.submit(call) for name, call in asked.items()}
            said = {name: future.result() for name, future in futures.items()}
        rafts: dict[str, Raft] = {name: said[name] for name in ("nomad", "consul", "vault")}
        health = {one.machine: one for one in said["health"]}
        # A name may stand twice while Nomad remembers an earlier machine: the one that is there counts.
        nodes = {node.name: node for node in sorted(said["nodes"], key=lambda node: node.status == "ready")}
        # The smoke job is deployed by nobody but us: whoever leaves takes care of it, and no pace waits for it.
        work = Counter(one.node for one in said["placed"] if one.moves and one.job != smoke.JOB)
        machines = {one.name: self._machine(one, rafts, health, nodes, work) for one in instances}
        pools = tuple(
            self._pool(pool, instances, machines) for pool in wanted(cluster.connection, self._driver, instances)
        )
        voting = {peer.name for raft in rafts.values() for peer in raft.peers}
        missed = voting | {node.name for node in nodes.values() if node.status != "ready"}
        ours = {name for name, pool in said["machines"].items() if pool}
        missed |= {name for name in ours if not _passing(health.get(name))}
        stale_members, settling = self._stale_members((missed | ours) - machines.keys(), missed)
        self._looked = True
        fleet = Fleet(pools, stale_members, frozenset(stale_members) - voting)
        return Observation(fleet, nodes, said["placed"], rafts, settling)

    def _pool(self, declared: Declared, instances: tuple[Instance, ...], machines: Mapping[str, Machine]) -> Pool:
        mine = tuple(machines[one.name] for one in instances if one.pool == declared.name)
        return pool_of(declared, mine, self._roll)

    def _machine(
        self,
        instance: Instance,
        rafts: Mapping[str, Raft],
        health: Mapping[str, MachineHealth],
        nodes: Mapping[str, Node],
        work: Mapping[str, int],
    ) -> Machine:
        name, node = instance.name, nodes.get(instance.name)
        server = self._role(instance.pool) == "server"
        leads = frozenset(product for product, raft in rafts.items() if raft.leader == name)
        in_service = all(raft.is_healthy_voter(name) for raft in rafts.values()) if server else _ready(node)
        state = self._state(instance, in_service and _passing(health.get(name)), health.get(name))
        return Machine(
            name=name,
            bundle=instance.bundle,
            state=state,
            leads=leads,
            eligible=server or (node is not None and node.eligible),
            draining=node is not None and node.draining,
            work=work.get(name, 0),
            healthy_seconds=self._healthy_seconds(instance, state),
            peer=server and any(peer.name == name for raft in rafts.values() for peer in raft.peers),
        )

    def _state(self, instance: Instance, well: bool, health: MachineHealth | None) -> State:
        if instance.state != "running":
            return instance.state
        if health is not None and '"leaving"' in health.output:
            return "leaving"
        if well:
            return "healthy"
        return "unhealthy" if instance.name in self._healthy_since else "booting"

    def _healthy_seconds(self, instance: Instance, state: State) -> float:
        now = self._clock.monotonic()
        if state == "healthy":
            earlier = 0.0 if self._looked else max(0.0, instance.age - BOOT_SECONDS)
            return now - self._healthy_since.setdefault(instance.name, now - earlier)
        if instance.name in self._healthy_since:
            self._healthy_since[instance.name] = now
        return 0.0

    def _stale_members(self, nameless: set[str], missed: set[str]) -> tuple[tuple[str, ...], bool]:
        """Names that stay without a machine, and whether others may yet become such.

        A machine that has left in good order is gone from everywhere within seconds. One that was lost counts as well
        until gossip misses it.
        """
        now = self._clock.monotonic()
        self._stale_since = {name: self._stale_since.get(name, now) for name in nameless}
        ages = {name: now - since for name, since in self._stale_since.items()}
        stale_members = tuple(sorted(name for name, age in ages.items() if name in missed and age >= STALE_SECONDS))
        return stale_members, any(age < SETTLE_SECONDS for name, age in ages.items() if name not in stale_members)

    def _role(self, pool: str) -> str:
        return next((one.role for one in self._cluster.connection.pools if one.name == pool), "client")


def _ready(node: Node | None) -> bool:
    return node is not None and node.status == "ready"


def _passing(health: MachineHealth | None) -> bool:
    return health is not None and health.status == "passing"
