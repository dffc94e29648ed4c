"""Allocations of a job's past, and how their tasks did."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RESTARTED = "any TaskStates as _, state { state.Restarts != 0 }"
"""Nomad's filter for allocations with a task that was started again. It stands alone: `and` takes no `any`."""
NANOSECONDS = 10**9


@dataclass(frozen=True)
class Attempt:
    """An allocation, of now or of the past, with how its tasks have done.

    status, healthy, created: as in `Placed`. restarts: when a task that had ended by itself was started again, as far
    as the last ten events of each task tell. ended: when the last of its tasks ended, None while one runs; times are
    in seconds of the epoch.
    """

    id: str
    name: str
    node: str
    job: str
    kind: str
    version: int
    status: str
    healthy: bool | None
    created: float
    restarts: tuple[float, ...] = ()
    ended: float | None = None

    @classmethod
    def parse(cls, listed: Mapping[str, Any]) -> Attempt:
        """From Nomad's list of allocations, with the states of their tasks."""
        states = (listed.get("TaskStates") or {}).values()
        events = [event for state in states for event in state.get("Events") or ()]
        over = bool(states) and all(state["State"] == "dead" for state in states)
        return cls(
            id=listed["ID"],
            name=listed["Name"],
            node=listed["NodeName"],
            job=listed["JobID"],
            kind=listed["JobType"],
            version=listed["JobVersion"],
            status=listed["ClientStatus"],
            healthy=(listed.get("DeploymentStatus") or {}).get("Healthy"),
            created=listed["CreateTime"] / NANOSECONDS,
            # A restart that a changed template asks for gives no reason.
            restarts=tuple(e["Time"] / NANOSECONDS for e in events if e["Type"] == "Restarting" and e["RestartReason"]),
            ended=max(event["Time"] for event in events) / NANOSECONDS if over and events else None,
        )


def parent(job: str) -> str:
    """The periodic or parameterized job that made this one; the job itself where none did."""
    return re.split("/(?:periodic|dispatch)-", job, maxsplit=1)[0]


def of_family(job: str) -> str:
    """Nomad's filter for a job's allocations; for all children's where the job is one, since each has its own id."""
    if parent(job) == job:
        return f"JobID == {json.dumps(job)}"
    return f"JobID matches {json.dumps(f'^{re.escape(parent(job))}/(periodic|dispatch)-')}"
