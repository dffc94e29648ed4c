"""The rollout's planner: what may be done now, and what the whole roll would be.

It remembers nothing. Everything follows from the fleet that is seen, so a rollout that was killed anywhere goes on
when `next_steps` is asked again.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hashistack.ops.rollout.fleet import Fleet, Machine, Pool
from hashistack.ops.rollout.plan_clients import client_steps
from hashistack.ops.rollout.plan_servers import enough, server_steps, settled
from hashistack.ops.rollout.steps import (
    Await,
    AwaitGone,
    AwaitWork,
    Cordon,
    Delete,
    Drain,
    Grow,
    OfMachines,
    PruneMember,
    Step,
    Terminate,
    Uncordon,
    Wait,
    short,
)


def next_steps(fleet: Fleet) -> tuple[Step, ...]:
    """What may be done now, side by side; () when the fleet is as declared.

    Servers change one at a time. Clients of a new bundle, new pools while servers are outdated, and clients that go
    come after them; the client pools change side by side.
    """
    servers = [pool for pool in fleet.pools if pool.role == "server"]
    stale_members = fleet.stale_members
    if not all(map(enough, servers)):
        stale_members = tuple(name for name in stale_members if name in fleet.voteless)
    steps: list[Step] = []
    if stale_members:
        steps.append(PruneMember(stale_members, "no machine has these names any more"))
    if fleet.voteless.issuperset(stale_members):  # else a peer is removed, and that is the servers' one change
        steps.extend(next((steps for steps in map(server_steps, servers) if steps), ()))
    ready = all(map(settled, servers))
    outdated = any(pool.outdated(machine) for pool in servers for machine in pool.machines)
    leaving = any(machine.state == "leaving" for pool in servers for machine in pool.machines)
    for pool in fleet.pools:
        if pool.role == "client":
            steps.extend(client_steps(pool, ready, outdated, leaving))
    return tuple(steps)


@dataclass(frozen=True)
class PoolChange:
    """A pool that changes, and why. waves: how often it starts new machines, or takes some away without new ones."""

    pool: str
    why: str
    waves: int

    def __str__(self) -> str:
        waves = f"; {self.waves} wave{'' if self.waves == 1 else 's'}" if self.waves else ""
        return f"{self.pool}: {self.why}{waves}"


@dataclass(frozen=True)
class Plan:
    """A whole roll, as it goes when everything that is waited for comes true.

    pools: those that change. rounds: what is done side by side, one round after the other. extra: the most machines
    at one time beyond those that are declared or were there, over all pools, without those on their way out.
    snapshot: a server is replaced or removed, so a snapshot of all three products comes first.
    """

    pools: tuple[PoolChange, ...]
    rounds: tuple[tuple[Step, ...], ...]
    extra: int
    snapshot: bool

    @property
    def waves(self) -> int:
        """Waves of the pool that has most."""
        return max((change.waves for change in self.pools), default=0)


def plan(fleet: Fleet) -> Plan:
    """Foresee the roll by doing each round of `next_steps` to a simulated fleet until nothing is left to do."""
    usual = {pool.name: max(pool.count, _machines(pool)) for pool in fleet.pools}
    names, seen = itertools.count(1), fleet
    rounds: list[tuple[Step, ...]] = []
    grown, shrunk = Counter[str](), Counter[str]()
    extra = 0
    while steps := next_steps(seen):
        rounds.append(steps)
        grown.update(step.pool for step in steps if isinstance(step, Grow))
        shrunk.update(step.pool for step in steps if isinstance(step, AwaitGone))
        seen = _after(seen, steps, names)
        extra = max(extra, sum(max(0, _machines(pool) - usual[pool.name]) for pool in seen.pools))
    servers = {pool.name for pool in fleet.pools if pool.role == "server"}
    removals = (step for steps in rounds for step in steps if isinstance(step, Terminate | Delete))
    waves = {pool.name: max(grown[pool.name], shrunk[pool.name]) for pool in fleet.pools}
    # What needs nothing but time, such as a machine that is healthy but not for long, is no change.
    done = [step for steps in rounds for step in steps if isinstance(step, Grow | OfMachines)]
    reasons = {step.pool: step.why for step in reversed(done) if not isinstance(step, Wait)}
    whys = {pool.name: _why(pool) or reasons.get(pool.name, "") for pool in fleet.pools}
    changes = tuple(PoolChange(name, why, waves[name]) for name, why in whys.items() if why)
    return Plan(changes, tuple(rounds), extra, any(step.pool in servers for step in removals))


def _machines(pool: Pool) -> int:
    return len([machine for machine in pool.machines if machine.state not in ("leaving", "terminated")])


def _why(pool: Pool) -> str:
    """In what a pool differs from what is declared, "" when in nothing."""
    terminated = sum(machine.state == "terminated" for machine in pool.machines)
    stopped = sum(machine.state == "stopped" for machine in pool.machines)
    staying = [machine for machine in pool.machines if machine.state not in ("leaving", "terminated")]
    old = Counter(machine.bundle for machine in staying if pool.outdated(machine))
    parts = [f"{count} of {len(staying)} outdated ({short(b)} -> {short(pool.bundle)})" for b, count in old.items()]
    late = sum(machine.state not in ("healthy", "stopped") for machine in staying if not pool.outdated(machine))
    counts = {
        "missing": pool.count - len(staying),
        "surplus": len(staying) - pool.count,
        "leaving": len(pool.machines) - len(staying) - terminated,
        "stopped": stopped,
        "terminated": terminated,
        "not healthy yet": late,
    }
    return ", ".join([*parts, *(f"{count} {what}" for what, count in counts.items() if count > 0)])


def _after(fleet: Fleet, steps: Sequence[Step], names: Iterator[int]) -> Fleet:
    """The fleet when these steps went well: what was drained is empty, what was waited for came true."""
    by_pool: dict[str, list[Step]] = {}
    for step in steps:
        if isinstance(step, PruneMember):
            fleet = replace(fleet, stale_members=tuple(name for name in fleet.stale_members if name not in step.names))
        elif isinstance(step, Grow | OfMachines):
            by_pool.setdefault(step.pool, []).append(step)
    return replace(fleet, pools=tuple(_pool_after(pool, by_pool.get(pool.name, ()), names) for pool in fleet.pools))


def _pool_after(pool: Pool, steps: Sequence[Step], names: Iterator[int]) -> Pool:
    if not steps:
        return pool
    todo = {name: step for step in steps if isinstance(step, OfMachines) for name in step.machines}
    kept = [m if (step := todo.get(m.name)) is None else _machine_after(m, step) for m in pool.machines]
    count = sum(step.count for step in steps if isinstance(step, Grow))
    fresh = (f"{pool.name}-new-{next(names)}" for _ in range(count))
    new = [Machine(name, pool.bundle, "booting", healthy_seconds=0) for name in fresh]
    return replace(pool, machines=(*filter(None, kept), *new))


def _machine_after(machine: Machine, step: OfMachines) -> Machine | None:
    match step:
        case Delete() | AwaitGone():
            return None
        case Terminate():
            return replace(machine, state="leaving", leads=frozenset())
        case Cordon():
            return replace(machine, eligible=False)
        case Uncordon():
            return replace(machine, eligible=True)
        case Drain():
            return replace(machine, eligible=False, draining=False, work=0)
        case AwaitWork():
            return replace(machine, work=0)
        case Await() if machine.draining:
            return replace(machine, draining=False, work=0)
        case _:
            return replace(machine, state="healthy", healthy_seconds=float("inf"))
