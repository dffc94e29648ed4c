"""What work goes elsewhere when machines are taken away. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from hashistack.ops.api.placed import Placed
from hashistack.ops.readiness import smoke
from hashistack.ops.rollout.failed_moves import title
from hashistack.ops.rollout.fleet import Fleet
from hashistack.ops.rollout.plan import Plan
from hashistack.ops.rollout.steps import Terminate


def leaving(whole: Plan, fleet: Fleet) -> frozenset[str]:
    """The machines of the fleet that a plan takes away."""
    there = {machine.name for pool in fleet.pools for machine in pool.machines}
    told = (step.machines for steps in whole.rounds for step in steps if isinstance(step, Terminate))
    return frozenset(name for names in told for name in names) & there


def marked(fleet: Fleet, names: frozenset[str]) -> Fleet:
    """The fleet with these machines outdated: what is asked of outdated ones (`disruptions`) is asked of them."""
    pools = (
        replace(pool, machines=tuple(replace(one, bundle="") if one.name in names else one for one in pool.machines))
        for pool in fleet.pools
    )
    return replace(fleet, pools=tuple(pools))


def moving(placed: Iterable[Placed], names: frozenset[str]) -> list[str]:
    """Work on these machines that a drain moves, as `namespace/job (2 allocations)`, sorted."""
    there = (one for one in placed if one.moves and one.node in names and one.job != smoke.JOB)
    jobs = Counter(title(one.namespace, one.job) for one in there)
    return [f"{job} ({count} allocation{'' if count == 1 else 's'})" for job, count in sorted(jobs.items())]
