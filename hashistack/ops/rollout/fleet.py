"""What is seen of a cluster's machines, and what is wanted: the planner's whole input, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hashistack.ops.api.policy import Policy

Role = Literal["server", "client"]

State = Literal["booting", "healthy", "unhealthy", "leaving", "stopped", "terminated"]
"""Where a machine is in its life.

booting: it runs, and has never called itself healthy. healthy: a voter in all three products and unsealed, or a ready
client. unhealthy: it was healthy, and is not now. leaving: it is being taken away and goes by itself. stopped: it
does not run, keeps its data, and is started again. terminated: it has left, or never ran, and can only be removed.
"""


@dataclass(frozen=True)
class Machine:
    """One machine as the platform and the three products see it now.

    bundle: the digest it booted from. leads: the products whose leader it is. eligible: takes new work (clients).
    draining: a drain is under way. work: allocations of service and batch jobs that are still there; those of system
    jobs don't count. healthy_seconds: how long it has been healthy without a break, 0 when it is not.
    """

    name: str
    bundle: str
    state: State = "healthy"
    leads: frozenset[str] = frozenset()
    eligible: bool = True
    draining: bool = False
    work: int = 0
    healthy_seconds: float = float("inf")
    peer: bool = True


@dataclass(frozen=True)
class Pool:
    """A pool: what is declared (`count` machines of `bundle`), and the machines that the platform has."""

    name: str
    role: Role
    count: int
    bundle: str
    policy: Policy = field(default_factory=Policy)
    machines: tuple[Machine, ...] = ()

    def outdated(self, machine: Machine) -> bool:
        """It booted from another bundle than the declared one."""
        return machine.bundle != self.bundle

    def proven(self, machine: Machine) -> bool:
        """It has been healthy for the policy's `min_healthy_time`."""
        return machine.state == "healthy" and machine.healthy_seconds >= self.policy.min_healthy_time


@dataclass(frozen=True)
class Fleet:
    """All pools, and the stale members: names that Raft or a catalog still lists and no machine of the platform has.

    voteless: those of the stale members that no Raft lists; they can be forgotten without a thought for the quorum.
    """

    pools: tuple[Pool, ...]
    stale_members: tuple[str, ...] = ()
    voteless: frozenset[str] = frozenset()
