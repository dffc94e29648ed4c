"""What may be done next with one pool of clients: new machines first, then the old ones in waves.

A canary comes first: a few new machines, which must be healthy for `min_healthy_time` before an old one is touched.
Then all old ones become ineligible at once, so that no allocation moves to a machine that goes soon, and as many are
drained as there are canaries. Each later wave is as wide as `max_surge` + `max_unavailable`. Where `max_surge` is 0
nothing new can come first: a wave is drained and then replaced, and only the machines of that wave become ineligible,
since the others must take their work.

A machine without work that is on its way out takes no place in the surge or a wave, unless others of its wave still
drain: what makes room for a wave goes first, so that the next one starts as a whole. Where `max_surge` is 0 it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hashistack.ops.rollout.fleet import Machine, Pool
from hashistack.ops.rollout.steps import (
    Await,
    AwaitGone,
    AwaitWork,
    Cordon,
    Delete,
    Drain,
    Grow,
    Start,
    Step,
    Terminate,
    Uncordon,
    named,
    short,
)


def client_steps(pool: Pool, servers_settled: bool, servers_outdated: bool, servers_leaving: bool) -> tuple[Step, ...]:
    """The next steps of a client pool; its waits are told only when it has nothing to do.

    A client that is stopped is started again before anything else: what is on its disk may be nowhere else.

    Until the servers are settled, nothing changes in a pool with outdated machines, and a pool without any machine
    waits for outdated servers: a client may not be newer than the servers.

    No client begins to go before the last server that leaves is gone. An agent of Consul tells one server that an
    allocation has ended. Where that server goes meanwhile, it tells no other before its next full sync, a minute later
    (its agent/ae/ae.go), and so long the name would lead to a machine that is gone.
    """
    seen = _look(pool)
    steps: list[Step] = []
    if seen.terminated:
        steps.append(Delete(pool.name, named(seen.terminated), "gone; Nomad starts their work elsewhere"))
    if seen.stopped:
        return (*steps, Start(pool.name, named(seen.stopped), "stopped, with their data"))
    newer = bool(seen.old or seen.leaving_old) or (servers_outdated and not seen.new)
    if newer and not servers_settled:
        return tuple(steps)
    going, reason = _going(seen)
    may_go = servers_settled and not servers_leaving
    leave = _shrink(seen, going, reason) if may_go else ()
    return (*steps, *_changes(seen, going, leave)) or _waits(seen, going if may_go else ())


@dataclass
class _PoolState:
    """A pool's machines by what they are, and what its policy allows.

    old, new: those that run, outdated and current. held: those on their way out that still take a place. late: new
    ones that have yet to be healthy for long enough. ready: new ones that have been, and take work. working: healthy
    and not draining, of any bundle. first: the canary's wave is not over.
    """

    pool: Pool
    surge: int
    unavailable: int
    canary: int
    old: list[Machine] = field(default_factory=list)
    new: list[Machine] = field(default_factory=list)
    leaving: list[Machine] = field(default_factory=list)
    stopped: list[Machine] = field(default_factory=list)
    terminated: list[Machine] = field(default_factory=list)
    leaving_old: int = 0
    held: list[Machine] = field(default_factory=list)
    working: int = 0
    late: list[Machine] = field(default_factory=list)
    ready: int = 0
    first: bool = False

    @property
    def running(self) -> int:
        return len(self.old) + len(self.new)

    @property
    def startable(self) -> int:
        """Machines that may be started now: missing ones, and in a roll those that the surge has room for."""
        ahead = min(self.canary, self.surge) if self.first else self.surge
        room = self.pool.count + ahead - self.running - len(self.held)
        return max(0, min(room, self.pool.count - len(self.new)))


def _look(pool: Pool) -> _PoolState:
    """One pass over the machines: pools have thousands, and a plan looks at each of its rounds."""
    policy, bundle, applications = pool.policy, pool.bundle, pool.policy.pace == "applications"
    surge = policy.max_surge
    if applications or not policy.max_unavailable:
        surge = max(surge, 1)
    canary = min(max(policy.canary, 1), surge or policy.max_unavailable, max(pool.count, 1))
    seen = _PoolState(pool, surge, policy.max_unavailable, canary)
    draining = False
    for machine in pool.machines:
        state = machine.state
        if state == "stopped":
            seen.stopped.append(machine)
        elif state == "terminated":
            seen.terminated.append(machine)
        elif state == "leaving":
            seen.leaving.append(machine)
            seen.leaving_old += machine.bundle != bundle
        else:
            working = state == "healthy" and not machine.draining
            seen.working += working
            if machine.bundle != bundle:
                seen.old.append(machine)
                draining |= machine.draining
                continue
            seen.new.append(machine)
            if not pool.proven(machine):
                seen.late.append(machine)
            elif working and machine.eligible:
                seen.ready += 1
    seen.held = [machine for machine in seen.leaving if machine.work or draining or not surge]
    outdated = len(seen.old) + sum(machine.bundle != bundle for machine in seen.held)
    # Without drains nothing tells that the canary's wave is over but the canaries themselves.
    seen.first = bool(outdated) and (seen.ready < canary if applications else outdated > pool.count - canary)
    return seen


def _changes(seen: _PoolState, going: Sequence[Machine], leave: tuple[Step, ...]) -> tuple[Step, ...]:
    pool = seen.pool
    surplus = set[str]() if seen.old else set(named(going))
    shut = [machine for machine in seen.new if not machine.eligible and not machine.draining]
    if not seen.old and len(shut) < len(seen.new):
        shut = []  # nothing is outdated, and others take work: an operator's own wish
    if shut := [machine for machine in shut if machine.state == "healthy" and machine.name not in surplus]:
        return (Uncordon(pool.name, named(shut), "of the declared bundle, and needed"),)
    if count := seen.startable:
        # While there is room for new machines nothing is emptied, but what is empty goes first: it makes more room.
        empty = tuple(step for step in leave if isinstance(step, Terminate))
        return empty or (Grow(pool.name, count, _why_grow(seen)),)
    return leave


def _why_grow(seen: _PoolState) -> str:
    pool, parts = seen.pool, list[str]()
    missing = pool.count - seen.running
    if missing > 0:
        parts.append(f"{missing} of {pool.count} are missing")
    if seen.old:
        parts.append(f"{len(seen.old)} of another bundle are to be replaced by {short(pool.bundle)}")
        if seen.first and seen.surge:
            parts.append("the canary comes first")
    return "; ".join(parts) or "machines that go are replaced"


def _going(seen: _PoolState) -> tuple[list[Machine], str]:
    """Machines that are to go as soon as there is room, in no order, and why. All old ones once there are canaries."""
    pool = seen.pool
    surplus = max(0, seen.running - pool.count)
    fewer = f"{pool.count} machines are wanted"
    if not seen.old:
        return (_first_to_go(seen.new)[:surplus] if surplus else []), fewer
    if seen.late:
        return [], ""
    if not seen.surge or seen.ready >= (seen.canary if seen.first else 1):
        bundles = {machine.bundle for machine in seen.old}
        told = short(bundles.pop()) if len(bundles) == 1 else f"{len(bundles)} others"
        return seen.old, f"bundle {told} -> {short(pool.bundle)}"
    return ([] if seen.startable else _first_to_go(seen.old)[:surplus]), fewer


def _first_to_go(machines: Sequence[Machine]) -> list[Machine]:
    """Those on their way first, then those that do nothing for the pool, then by how little work they hold."""
    return sorted(machines, key=lambda m: (not m.draining, m.state == "healthy", m.eligible, m.work))


def _shrink(seen: _PoolState, going: Sequence[Machine], reason: str) -> tuple[Step, ...]:
    """Make ineligible, drain and take away as many of `going` as the pool can spare now."""
    pool = seen.pool
    if not going:
        return ()
    one_by_one = bool(seen.old) and not seen.surge
    if not one_by_one and (open_ := _open(going)):
        return (Cordon(pool.name, named(open_), f"{reason}; nothing moves to machines that go soon"),)
    chosen = _chosen(seen, going)
    if open_ := _open(chosen):
        return (Cordon(pool.name, named(open_), reason),)
    steps: list[Step] = []
    if idle := [machine for machine in chosen if not machine.work]:
        steps.append(Terminate(pool.name, named(idle), f"{reason}; without work"))
    if busy := [machine for machine in chosen if machine.work]:
        work = sum(machine.work for machine in busy)
        steps.append(Drain(pool.name, named(busy), f"{reason}; {work} allocation{'s' if work > 1 else ''} to move"))
    return tuple(steps)


def _open(machines: Sequence[Machine]) -> list[Machine]:
    """Those that still take work; one that boots is no Nomad client yet and is not asked."""
    return [m for m in machines if m.eligible and not m.draining and m.state != "booting"]


def _chosen(seen: _PoolState, going: Sequence[Machine]) -> list[Machine]:
    """Whom to drain or take away now, so that `count` - `max_unavailable` machines still work."""
    width = max(seen.surge + seen.unavailable, 1)
    if seen.old and seen.first:
        width = min(width, max(seen.canary, seen.running - seen.pool.count))
    if seen.new and seen.old and seen.surge:
        # Only new machines take work: there must be as many as are emptied.
        width = min(width, seen.ready)
    width -= len(seen.held) + sum(machine.draining for machine in going)
    spare = seen.working - (seen.pool.count - seen.unavailable)
    if width <= 0:
        return []
    chosen: list[Machine] = []
    for machine in _first_to_go([machine for machine in going if not machine.draining]):
        if len(chosen) == width:
            break
        if seen.pool.policy.pace == "applications" and machine.work:
            continue
        if machine.state == "healthy":
            if spare <= 0:
                break
            spare -= 1
        chosen.append(machine)
    return chosen


def _waits(seen: _PoolState, going: Sequence[Machine]) -> tuple[Step, ...]:
    pool, waits = seen.pool, list[Step]()
    if seen.leaving:
        waits.append(AwaitGone(pool.name, named(seen.leaving), "they were told to go"))
    if draining := [machine for machine in (*seen.old, *seen.new) if machine.draining]:
        waits.append(Await(pool.name, named(draining), "their drain is under way"))
    if seen.late:
        states = sorted({machine.state for machine in seen.late if machine.state != "healthy"})
        now = f"now {', '.join(states)}; " if states else ""
        then = "before any old machine is touched" if seen.old and seen.first else "before the next wave"
        time = f"healthy for {pool.policy.min_healthy_time:g} s"
        waits.append(Await(pool.name, named(seen.late), f"{now}{time}{' ' + then if seen.old else ''}"))
    if not waits and (held := [machine for machine in going if machine.work]):
        work = sum(machine.work for machine in held)
        waits.append(AwaitWork(pool.name, named(held), f"{work} allocations are left to the applications' own pace"))
    return tuple(waits)
