"""Jobs that a drain interrupts: those with one allocation, on a machine that goes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hashistack.ops.api.nomad import Placed
from hashistack.ops.rollout.fleet import Fleet


def disruptions(placed: Iterable[Placed], fleet: Fleet) -> list[str]:
    """Groups of service jobs with one allocation, on an outdated machine, as `namespace/job.group`, sorted.

    A drain stops an allocation while its successor starts: nobody else answers in between.
    """
    old = {machine.name for pool in fleet.pools for machine in pool.machines if machine.bundle != pool.bundle}
    found = [one for one in placed if one.kind == "service" and not one.over]
    groups = [f"{one.namespace}/{one.name.rpartition('[')[0]}" for one in found]
    counts = Counter(groups)
    return sorted({group for one, group in zip(found, groups, strict=True) if counts[group] == 1 and one.node in old})
