"""Allocations of one job, as Nomad lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Allocation:
    """An allocation.

    status: Nomad's word (pending, running, complete, failed, lost).
    healthy: what its deployment says; None while that is undecided.
    succeeded: tasks that have ended well.
    events: task -> texts, oldest first.
    running: tasks that run.
    name: `job.group[index]`. restarts: task -> how often it was started again. again: it failed, and Nomad tries anew.
    """

    id: str
    node: str
    status: str
    job_version: int
    healthy: bool | None
    succeeded: frozenset[str]
    events: Mapping[str, tuple[str, ...]]
    name: str = ""
    restarts: Mapping[str, int] = field(default_factory=dict)
    again: bool = False
    running: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, listed: Mapping[str, Any]) -> Allocation:
        """From Nomad's JSON."""
        states: Mapping[str, Any] = listed.get("TaskStates") or {}
        return cls(
            id=listed["ID"],
            node=listed["NodeName"],
            status=listed["ClientStatus"],
            job_version=listed["JobVersion"],
            healthy=(listed.get("DeploymentStatus") or {}).get("Healthy"),
            succeeded=frozenset(t for t, state in states.items() if state["State"] == "dead" and not state["Failed"]),
            events={
                task: tuple(event["DisplayMessage"] or event["Type"] for event in state.get("Events") or ())
                for task, state in states.items()
            },
            name=listed["Name"],
            restarts={task: state["Restarts"] for task, state in states.items() if state["Restarts"]},
            again=bool(listed["FollowupEvalID"] or listed["NextAllocation"]),
            running=frozenset(task for task, state in states.items() if state["State"] == "running"),
        )
