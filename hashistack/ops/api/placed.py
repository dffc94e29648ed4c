"""Allocations as the rollout counts them, all of a cluster in one list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hashistack.ops.api.attempts import NANOSECONDS

PLACED = 'ClientStatus == "running" or ClientStatus == "pending" or ClientStatus == "failed"'


@dataclass(frozen=True)
class Placed:
    """An allocation as the rollout counts it.

    name: `job.group[index]`, the same for its successor. over: it has ended, or the servers want it to.
    healthy: what its deployment or migration says; None while undecided. created, changed: when it was made and when
    its state changed last, in seconds of the epoch. version: the job's. again: it failed, and Nomad tries once more.
    """

    id: str
    name: str
    node: str
    namespace: str
    job: str
    kind: str
    status: str
    over: bool
    healthy: bool | None
    created: float
    changed: float = 0.0
    version: int = 0
    again: bool = False

    @classmethod
    def parse(cls, listed: Mapping[str, Any]) -> Placed:
        """From one of Nomad's list of allocations."""
        status = listed["ClientStatus"]
        return cls(
            id=listed["ID"],
            name=listed["Name"],
            node=listed["NodeName"],
            namespace=listed["Namespace"],
            job=listed["JobID"],
            kind=listed["JobType"],
            status=status,
            over=status == "failed",
            healthy=(listed.get("DeploymentStatus") or {}).get("Healthy"),
            created=listed["CreateTime"] / NANOSECONDS,
            changed=listed["ModifyTime"] / NANOSECONDS,
            version=listed["JobVersion"],
            again=bool(listed["FollowupEvalID"] or listed["NextAllocation"]),
        )

    @property
    def moves(self) -> bool:
        """Whether a drain moves it or waits for it: service and batch, not system jobs."""
        return not self.over and self.kind not in ("system", "sysbatch")

    @property
    def settled(self) -> bool:
        """Whether it is in service where it was moved; only services have a health that Nomad watches."""
        return self.kind != "service" or bool(self.healthy)
