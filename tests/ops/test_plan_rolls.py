"""The planner against a simulated world: from any fleet, killed anywhere, it ends as declared and breaks no promise."""

from __future__ import annotations

import copy
import itertools
import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hashistack.ops.api.policy import Policy
from hashistack.ops.rollout.fleet import Fleet, Machine, Pool
from hashistack.ops.rollout.plan import next_steps, plan
from hashistack.ops.rollout.plan_servers import settled
from hashistack.ops.rollout.steps import (
    Cordon,
    Delete,
    Drain,
    Grow,
    OfMachines,
    PruneMember,
    Start,
    Step,
    Terminate,
    Uncordon,
    Wait,
)

NEW = "new"
ROUNDS = 600
"""Far more than a roll of these few machines takes at the world's slowest."""


@st.composite
def machines(draw: st.DrawFn, pool: str, most: int) -> tuple[Machine, ...]:
    found = []
    for number in range(draw(st.integers(0, most))):
        state = draw(st.sampled_from(["healthy"] * 5 + ["booting", "unhealthy", "leaving", "stopped", "terminated"]))
        client, alive = pool != "server", state in ("healthy", "unhealthy")
        work = draw(st.integers(0, 3)) if client and alive else 0
        eligible = draw(st.booleans()) if client and alive else True
        found.append(
            Machine(
                f"{pool}-{number}",
                draw(st.sampled_from(["old", "older", NEW, NEW])),
                state,  # type: ignore[arg-type]
                frozenset(draw(st.sets(st.sampled_from(["nomad", "consul", "vault"])))) if not client else frozenset(),
                eligible,
                draining=not eligible and work > 0 and draw(st.booleans()),
                work=work,
                healthy_seconds=draw(st.sampled_from([3.0, float("inf")])) if state == "healthy" else 0.0,
                peer=state != "leaving" or draw(st.booleans()),
            )
        )
    return tuple(found)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any that the specification lets pass."""
    pace = draw(st.sampled_from(["drain", "drain", "applications"]))
    surge = draw(st.integers(1 if pace == "applications" else 0, 3))
    unavailable = draw(st.integers(0 if surge else 1, 2))
    return Policy(surge, unavailable, draw(st.integers(0, surge)), pace)  # type: ignore[arg-type]


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    pools = [Pool("server", "server", draw(st.sampled_from([3, 5])), NEW, machines=draw(machines("server", 6)))]
    for name in ("web", "batch")[: draw(st.integers(0, 2))]:
        pools.append(Pool(name, "client", draw(st.integers(0, 6)), NEW, draw(policies()), draw(machines(name, 9))))
    stale_members = draw(st.sampled_from([(), ("gone-1",), ("gone-1", "gone-2")]))
    return Fleet(tuple(pools), stale_members, frozenset(stale_members[1:]))


class World:
    """Machines that boot, drain and go in their own time, and steps that are carried out in part."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self.fleet = fleet
        self.chance = random.Random(seed)  # noqa: S311
        self.names = itertools.count(1)

    def pool(self, name: str) -> Pool:
        return next(pool for pool in self.fleet.pools if pool.name == name)

    def put(self, pool: Pool, seen: list[Machine]) -> None:
        pools = (replace(each, machines=tuple(seen)) if each.name == pool.name else each for each in self.fleet.pools)
        self.fleet = replace(self.fleet, pools=tuple(pools))

    def happens(self, often: float = 0.5) -> bool:
        return self.chance.random() < often

    def carry_out(self, steps: tuple[Step, ...]) -> None:
        """Some of the steps, each for some of its machines: the rest is lost with the process."""
        for step in steps:
            if not self.happens(0.8):
                continue
            if isinstance(step, PruneMember):
                left = tuple(name for name in self.fleet.stale_members if name not in step.names)
                self.fleet = replace(self.fleet, stale_members=left)
            elif isinstance(step, Grow):
                self.grow(step)
            elif isinstance(step, OfMachines):
                some = [name for name in step.machines if self.happens(0.9)]
                for name in some:
                    self.one(step, self.pool(step.pool), name)

    def grow(self, step: Grow) -> None:
        pool = self.pool(step.pool)
        count = self.chance.randint(1, step.count)
        new = [Machine(f"{pool.name}-new-{next(self.names)}", NEW, "booting", healthy_seconds=0) for _ in range(count)]
        self.put(pool, [*pool.machines, *new])
        assert placed(self.pool(pool.name)) <= pool.count + (pool.policy.max_surge if pool.role == "client" else 1)

    def one(self, step: OfMachines, pool: Pool, name: str) -> None:
        machine = next(each for each in pool.machines if each.name == name)
        others = [each for each in pool.machines if each.name != name]
        if isinstance(step, Delete):
            assert machine.state == "terminated"
            self.haunt(pool, name)
            self.put(pool, others)
            return
        if isinstance(step, Wait):
            return
        if isinstance(step, Start):
            assert machine.state == "stopped"
            booting = replace(machine, state="booting", healthy_seconds=0)
            self.put(pool, [booting if each.name == name else each for each in pool.machines])
            return
        current = [each for each in others if each.bundle == NEW and each.state not in ("leaving", "terminated")]
        if pool.role == "server":
            assert isinstance(step, Terminate)
            running = [each for each in others if each.state not in ("leaving", "terminated")]
            assert len(running) >= pool.count
            assert len(running) == len(others) - sum(each.state == "terminated" for each in others)
            assert machine.state != "healthy" or sum(map(pool.proven, running)) >= pool.count
        elif machine.bundle != NEW:
            assert all(map(pool.proven, current))
        match step:
            case Cordon():
                changed = replace(machine, eligible=False)
                assert machine.eligible
            case Uncordon():
                changed = replace(machine, eligible=True)
                assert machine.bundle == NEW
                assert not machine.eligible
            case Drain():
                changed = replace(machine, draining=True)
                assert pool.policy.pace == "drain"
                assert not machine.eligible
                assert not machine.draining
                old = [each for each in others if each.bundle != NEW and each.state in ("healthy", "unhealthy")]
                # One that goes because it is one too many says so: the others stay, and may have its work.
                if machine.bundle != NEW and current and pool.policy.max_surge and "are wanted" not in step.why:
                    assert not any(each.eligible for each in old)
            case _:
                changed = replace(machine, state="leaving", leads=frozenset())
                assert machine.work == 0
                assert pool.role == "server" or machine.state == "booting" or not machine.eligible
        self.put(pool, [changed if each.name == name else each for each in pool.machines])
        if pool.role == "client" and usable(machine) and not usable(changed):
            assert sum(map(usable, self.pool(pool.name).machines)) >= pool.count - pool.policy.max_unavailable

    def haunt(self, pool: Pool, name: str) -> None:
        """What a machine leaves behind in the products, sometimes."""
        if self.happens(0.3):
            voteless = self.fleet.voteless | (set() if pool.role == "server" else {name})
            self.fleet = replace(self.fleet, stale_members=(*self.fleet.stale_members, name), voteless=voteless)

    def pass_time(self) -> None:
        for pool in self.fleet.pools:
            seen = []
            moved = 0
            for machine in pool.machines:
                if not self.happens():
                    seen.append(machine)
                elif machine.state == "leaving" and machine.peer:
                    seen.append(replace(machine, peer=False))
                elif machine.state == "leaving":
                    self.haunt(pool, machine.name)
                else:
                    later = self.later(pool, machine)
                    moved += machine.work - later.work
                    seen.append(later)
            takers = [i for i, machine in enumerate(seen) if machine.eligible and machine.state == "healthy"]
            for _ in range(moved if takers and pool.role == "client" else 0):
                taker = self.chance.choice(takers)
                seen[taker] = replace(seen[taker], work=seen[taker].work + 1)
            self.put(pool, seen)

    def later(self, pool: Pool, machine: Machine) -> Machine:
        """A client of an old bundle that is ill stays so, for nothing may wait for it; servers need a quorum."""
        cured = machine.bundle == NEW or (pool.role == "server" and self.happens(0.1))
        if machine.state in ("booting", "unhealthy") and cured:
            machine = replace(machine, state="healthy", healthy_seconds=0)
        elif machine.state == "healthy":
            machine = replace(machine, healthy_seconds=machine.healthy_seconds + 6)
        if machine.draining or (pool.policy.pace == "applications" and not machine.eligible):
            work = max(0, machine.work - 1)
            machine = replace(machine, work=work, draining=machine.draining and work > 0)
        return machine


def placed(pool: Pool) -> int:
    """Machines that the policy counts: one on its way out only with work, or where nothing may come before it goes."""
    leaving = [machine for machine in pool.machines if machine.state == "leaving"]
    held = [machine for machine in leaving if machine.work or not pool.policy.max_surge]
    return sum(machine.state not in ("leaving", "terminated") for machine in pool.machines) + len(held)


def usable(machine: Machine) -> bool:
    return machine.state == "healthy" and not machine.draining


def as_declared(pool: Pool, in_time: bool = False) -> bool:
    """Single machines may be ineligible: an operator's wish. `in_time`: what needs nothing but time is fine too."""
    right = all(
        m.bundle == NEW and (m.state == "healthy" if in_time else not m.draining and pool.proven(m))
        for m in pool.machines
    )
    taking = not pool.machines or any(m.eligible for m in pool.machines)
    return right and taking and len(pool.machines) == pool.count


def held_to_the_order(fleet: Fleet, steps: tuple[Step, ...]) -> None:
    """Pools as declared are left alone, servers change one at a time, and clients after them."""
    servers = [pool for pool in fleet.pools if pool.role == "server"]
    ready = all(map(settled, servers))
    leaving = any(machine.state == "leaving" for pool in servers for machine in pool.machines)
    for pool in fleet.pools:
        own = [step for step in steps if not isinstance(step, PruneMember) and step.pool == pool.name]  # type: ignore[attr-defined]
        changes = [step for step in own if not isinstance(step, Delete | Start)]
        if any(machine.state == "stopped" for machine in pool.machines):
            assert changes == []
        if as_declared(pool):
            assert own == []
        if pool.role == "server":
            assert len(own) <= 1
            continue
        if not ready or leaving:
            assert not any(isinstance(step, Cordon | Drain | Terminate) for step in own)
        if not ready and any(m.bundle != NEW and m.state != "terminated" for m in pool.machines):
            assert changes == []


@settings(max_examples=200)
@given(fleets(), st.integers(0, 2**32))
def test_from_any_fleet_killed_anywhere_it_ends_as_declared(fleet: Fleet, seed: int) -> None:
    world = World(fleet, seed)
    for _ in range(ROUNDS):
        steps = next_steps(world.fleet)
        assert steps == next_steps(copy.deepcopy(world.fleet))
        held_to_the_order(world.fleet, steps)
        if not steps:
            break
        world.carry_out(steps)
        world.pass_time()
    assert steps == ()
    assert all(map(as_declared, world.fleet.pools))
    assert world.fleet.stale_members == ()


@settings(max_examples=200)
@given(fleets())
def test_a_plan_ends_and_says_what_it_needs(fleet: Fleet) -> None:
    whole = plan(fleet)
    assert whole.rounds[:1] == ((next_steps(fleet),) if next_steps(fleet) else ())
    differ = {pool.name for pool in fleet.pools if not as_declared(pool, in_time=True)}
    assert {change.pool for change in whole.pools} == differ
    assert whole.extra <= 1 + sum(pool.policy.max_surge for pool in fleet.pools if pool.role == "client")
    server_goes = any(isinstance(s, Terminate | Delete) and s.pool == "server" for steps in whole.rounds for s in steps)
    assert whole.snapshot == server_goes
