"""How machines are replaced when their pool changes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hashistack.spec.durations import Duration, within
from hashistack.spec.section import Section


class UpgradePolicy(Section):
    """How machines of a pool are replaced: how many at once, how slowly, and who sets the pace.

    On a `ClientPool` only the fields that are given there differ from the cluster's policy.
    """

    max_surge: Annotated[int, Field(ge=0)] = 1
    """New machines that may exist beyond the pool's size while it is replaced. One that is empty and on its way out
    counts only where this is 0."""
    max_unavailable: Annotated[int, Field(ge=0)] = 0
    """Machines that may be missing from the pool's size while it is replaced."""
    canary: Annotated[int, Field(ge=0)] = 0
    """New machines that must be healthy for `min_healthy_time` before any old one is touched; 0 counts as 1."""
    pace: Literal["applications", "drain"] = "drain"
    """Who moves the work: `drain` drains old machines; `applications` leaves each until the applications' own
    deploys have left it."""
    drain_deadline: Annotated[Duration, within("10s", "47h")] = "1h"
    """Longest time that a drain waits for allocations to move before it stops them."""
    min_healthy_time: Duration = "10s"
    """How long a new machine must be healthy before the next step."""
    max_kill_timeout: Duration = "30s"
    """Longest time an allocation may take to stop; it comes on top of `drain_deadline`."""
    hook_timeout: Annotated[Duration, within("30s", "48h")] = "2h"
    """How long a machine that is taken away is waited for, whatever it is at: drain and stop have to fit in. On AWS it
    asks its group for more time until then. On Google Cloud, which waits an hour, and locally it only bounds the
    drain."""

    def overridden_by(self, other: UpgradePolicy | None) -> UpgradePolicy:
        """This policy with the fields that were given in the other one."""
        if other is None:
            return self
        return self.model_copy(update={name: getattr(other, name) for name in other.model_fields_set})
