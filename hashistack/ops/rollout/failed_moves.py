"""Work that does not come up where a drain has moved it: the reason to stop a rollout while nothing is lost. Pure."""

from __future__ import annotations

from hashistack.ops.api.nomad import Placed
from hashistack.ops.rollout.observer import Observation

FAILURES = 2
"""Failed tries of one allocation on new machines: a single one may be a passing fault."""


def failed_moves(seen: Observation, began: float) -> str:
    """Why the drains of a roll should be taken back, with the remedy; "" when all goes well.

    Looked at: allocations that were placed on machines of the declared bundle since `began` (seconds of the epoch), in
    pools that still have an old machine to go back to.
    """
    rolling = [pool for pool in seen.fleet.pools if any(map(pool.outdated, pool.machines))]
    fresh = {machine.name for pool in rolling for machine in pool.machines if not pool.outdated(machine)}
    moved = [one for one in seen.placed if one.node in fresh and one.created >= began and one.kind != "system"]
    failed: dict[str, list[Placed]] = {}
    for one in moved:
        if one.status == "failed" or one.healthy is False:
            failed.setdefault(one.name, []).append(one)
    well = {one.name for one in moved if one.healthy and not one.over}
    told = [
        f"{found[-1].namespace}/{found[-1].job}: {name} {_how(found)} on {found[-1].node}"
        for name, found in sorted(failed.items())
        if name not in well and (len(found) >= FAILURES or any(one.healthy is False for one in found))
    ]
    if not told:
        return ""
    return (
        "work does not come up on the new machines, so the rollout stops here; the old machines take work again:\n"
        + "\n".join(f"  {line}" for line in told)
        + "\nNext: nomad job status and nomad alloc logs say why; mend the job or the configuration, then repeat"
    )


def _how(found: list[Placed]) -> str:
    times = f" {len(found)} times" if len(found) > 1 else ""
    return f"failed{times}" if any(one.status == "failed" for one in found) else "is unhealthy"
