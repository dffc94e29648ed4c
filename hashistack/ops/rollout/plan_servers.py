"""What may be done next with the servers: one change at a time, and the new one before the old one goes.

While one goes, the next new one may boot: it votes only after some seconds, when the one that goes has long been out of
Raft. Where that one hangs, the servers are one more than declared and one of them dead, which is a quorum's whole use.
"""

from __future__ import annotations

from collections.abc import Sequence

from hashistack.ops.rollout.fleet import Machine, Pool
from hashistack.ops.rollout.steps import Await, AwaitGone, Delete, Grow, Start, Step, Terminate, named, short


def settled(pool: Pool) -> bool:
    """The servers are exactly those declared, and have been healthy for long enough; one that goes is out of Raft."""
    alive = [m for m in pool.machines if m.state != "terminated" and (m.peer or m.state != "leaving")]
    return len(alive) == pool.count and all(pool.proven(m) and not pool.outdated(m) for m in alive)


def enough(pool: Pool) -> bool:
    """The servers can do without those that are dead: as many as declared have been healthy for long enough."""
    return sum(map(pool.proven, pool.machines)) >= pool.count


def server_steps(pool: Pool) -> tuple[Step, ...]:
    """The next step of the server pool; () when it is settled and nothing of it is terminated.

    A server that is stopped is started again before anything else: it holds a vote, and data.

    An outdated server that is ill blocks nothing while the rest has a quorum: its replacement is the cure. A current
    one that is ill or boots blocks every change, as does anything that is leaving.
    """
    leaving = [machine for machine in pool.machines if machine.state == "leaving"]
    terminated = [machine for machine in pool.machines if machine.state == "terminated"]
    running = [machine for machine in pool.machines if machine.state not in ("leaving", "terminated")]
    if stopped := [machine for machine in pool.machines if machine.state == "stopped"]:
        return (Start(pool.name, named(stopped), "stopped, with their data"),)
    if terminated and enough(pool):
        return (Delete(pool.name, named(terminated), f"gone, and {pool.count} servers are healthy without it"),)
    step = _change(pool, running)
    if leaving and not isinstance(step, Grow | Await):
        step = AwaitGone(pool.name, named(leaving), "servers go one at a time")
    return (step,) if step else ()


def _change(pool: Pool, running: Sequence[Machine]) -> Step | None:
    if len(running) > pool.count:
        return _remove(pool, running)
    if len(running) == pool.count and not any(map(pool.outdated, running)):
        late = [machine for machine in running if not pool.proven(machine)]
        return _wait(pool, late) if late else None
    return _add(pool, running)


def _remove(pool: Pool, running: Sequence[Machine]) -> Step:
    """One server more than declared: the first to go goes, unless those that stay are not healthy yet."""
    going = _first_to_go(pool, running)
    others = [machine for machine in running if machine is not going]
    late = [machine for machine in others if not pool.proven(machine)]
    staying = [machine for machine in late if not pool.outdated(machine)]
    ill = going.state != "healthy"
    if len(others) - len(late) >= pool.count or (ill and not staying):
        return Terminate(pool.name, (going.name,), _reason(pool, going))
    return _wait(pool, staying or late)


def _add(pool: Pool, running: Sequence[Machine]) -> Step:
    """A server is missing or outdated: a new one is started, unless those that are there are not healthy yet."""
    missing = pool.count - len(running)
    if all(machine.state == "booting" for machine in running) and missing:
        # Servers of a new cluster elect a leader only when all of them are there.
        return Grow(pool.name, missing, f"{len(running)} of {pool.count} servers exist, and none was ever healthy")
    # Old ones need only be well now for a new one to start. Before one of them goes, all have to be so for some time.
    late = [m for m in running if not pool.proven(m) and not (pool.outdated(m) and m.state == "healthy")]
    quorum = len(running) - len(late) > pool.count // 2
    if blocking := [machine for machine in late if not (quorum and pool.outdated(machine))]:
        return _wait(pool, blocking)
    if missing:
        return Grow(pool.name, 1, f"{len(running)} of {pool.count} servers run")
    going = _first_to_go(pool, running)
    return Grow(pool.name, 1, f"to replace {going.name}: {_reason(pool, going)}", going.name)


def _first_to_go(pool: Pool, running: Sequence[Machine]) -> Machine:
    """Outdated before current, ill before healthy, leaders last, and the newest of what is left."""
    return min(reversed(running), key=lambda m: (not pool.outdated(m), m.state == "healthy", len(m.leads)))


def _reason(pool: Pool, machine: Machine) -> str:
    reason = f"bundle {short(machine.bundle)} -> {short(pool.bundle)}"
    if not pool.outdated(machine):
        reason = f"{pool.count} servers are wanted"
    if machine.state != "healthy":
        reason += f"; it is {machine.state}, so it goes first"
    if machine.leads:
        reason += f"; it leads {', '.join(sorted(machine.leads))}, so it goes last and its leadership is moved first"
    return reason


def _wait(pool: Pool, late: Sequence[Machine]) -> Await:
    states = sorted({machine.state for machine in late if machine.state != "healthy"})
    seen = f"now {', '.join(states)}; " if states else ""
    return Await(pool.name, named(late), f"{seen}healthy for {pool.policy.min_healthy_time:g} s before the next change")
