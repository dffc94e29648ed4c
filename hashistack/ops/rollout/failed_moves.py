"""Work that does not come up where a roll has moved it. Pure; whether the roll is to blame: see `regressions`."""

from __future__ import annotations

from dataclasses import dataclass

from hashistack.ops.api.attempts import parent
from hashistack.ops.api.placed import Placed
from hashistack.ops.rollout.observer import Observation

FAILURES = 2
"""Failed tries of one allocation on new machines: a single one may be a passing fault."""
DECIDED_SECONDS = 10.0
"""Until Nomad has decided whether it tries a failed allocation again; it takes a moment."""


@dataclass(frozen=True)
class FailedMove:
    """One allocation, by its name, that fails on machines of the declared bundle. how: `failed 2 times`."""

    namespace: str
    job: str
    name: str
    version: int
    node: str
    how: str

    def __str__(self) -> str:
        return f"{title(self.namespace, self.job)}: {self.name} {self.how} on {self.node}"


def title(namespace: str, job: str) -> str:
    """`namespace/job`, as people name it; a run of a periodic job goes by its job's name."""
    return f"{namespace}/{parent(job)}"


def failed_moves(seen: Observation, began: float, now: float) -> list[FailedMove]:
    """What fails where it was moved, by name; empty when all goes well.

    Looked at: allocations that were placed on machines of the declared bundle since `began` (seconds of the epoch, as
    `now`), in pools that still have an old machine to go back to. What Nomad tries again fails when it has failed
    `FAILURES` times; what it does not, and what runs and is called unhealthy, fails at once.
    """
    rolling = [pool for pool in seen.fleet.pools if any(map(pool.outdated, pool.machines))]
    fresh = {machine.name for pool in rolling for machine in pool.machines if not pool.outdated(machine)}
    moved = [one for one in seen.placed if one.node in fresh and one.created >= began and one.kind != "system"]
    failed: dict[tuple[str, str], list[Placed]] = {}
    for one in sorted(moved, key=lambda one: one.created):
        if one.status == "failed" or one.healthy is False:
            failed.setdefault((one.namespace, one.name), []).append(one)
    well = {(one.namespace, one.name) for one in moved if one.healthy and not one.over}
    return [
        FailedMove(namespace, found[-1].job, name, found[-1].version, found[-1].node, _how(found))
        for (namespace, name), found in sorted(failed.items())
        if (namespace, name) not in well and (len(found) >= FAILURES or _final(found[-1], now))
    ]


def _final(one: Placed, now: float) -> bool:
    if one.status != "failed":
        return True
    return one.healthy is False and not one.again and now - one.changed >= DECIDED_SECONDS


def _how(found: list[Placed]) -> str:
    times = f" {len(found)} times" if len(found) > 1 else ""
    return f"failed{times}" if any(one.status == "failed" for one in found) else "is unhealthy"
