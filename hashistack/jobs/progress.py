"""How a job that was submitted is doing, as a sentence, by what kind of job it is. Pure.

| job | ends when | word |
|---|---|---|
| periodic, parameterized, stopped, of count 0 | it is submitted | registered |
| service, system | its deployment has succeeded; without one, its allocations run | running |
| batch, sysbatch | its allocations run, or have ended well; with `to_end` they have to have | running, completed |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hashistack.ops.api.allocations import Allocation
    from hashistack.ops.api.deployments import Deployment


CONSEQUENCES = (
    "Unhealthy because of ",
    "Error was unrecoverable",
    "Policy allows no restarts",
    "Exceeded allowed attempts",
    "Task restarting in ",
)
"""How events of Nomad's begin that follow from the one before them, which says why."""


@dataclass(frozen=True)
class Progress:
    """well: True when the job has come to where it is to be, False when it will not, None while it is on its way.

    remedy: what to do, "" where only waiting helps.
    """

    well: bool | None
    text: str
    remedy: str = ""


def progress(
    job: Mapping[str, Any],
    version: int,
    deployment: Deployment | None,
    allocations: Sequence[Allocation],
    unplaced: str = "",
    to_end: bool = False,
) -> Progress:
    """How this version of `job` (Nomad's JSON) is doing. `unplaced`: why it has no place, "" when it has."""
    if job.get("Periodic"):
        return Progress(True, "registered: Nomad runs it at its times")
    if job.get("ParameterizedJob") is not None:
        return Progress(True, "registered: it runs when it is dispatched")
    if job.get("Stop"):
        return Progress(True, "registered: it is stopped")
    groups = job.get("TaskGroups") or []
    kind, count = job["Type"], sum(group["Count"] for group in groups)
    if kind in ("service", "batch") and not count:
        return Progress(True, "registered: its count is 0")
    mine = [one for one in allocations if one.job_version == version]
    if deployment and deployment.job_version == version:
        return _deployed(deployment, unplaced)
    if kind in ("batch", "sysbatch"):
        return _batch(kind, mine, count, unplaced, to_end)
    running = sum(one.status == "running" for one in mine)
    deploys = kind == "service" and any(group.get("Update") and group["Count"] for group in groups)
    if deploys:
        return Progress(None, unplaced or "deploying")
    wanted = count if kind == "service" else max(len(mine), 1)
    told = f"{running} of {wanted} allocations run"
    return Progress(True if running >= wanted else None, f"running: {told}" if running >= wanted else unplaced or told)


def failures(allocations: Sequence[Allocation], version: int) -> list[Allocation]:
    """The newest allocation of each name of this version that is not well.

    It has failed, is unhealthy, was started again, or waits for what its templates read.
    """
    newest: dict[str, Allocation] = {}
    for one in allocations:
        if one.job_version == version:
            newest.setdefault(one.name, one)
    return [one for one in newest.values() if _ill(one)]


def _ill(allocation: Allocation) -> bool:
    if allocation.status == "failed" or allocation.healthy is False or allocation.restarts:
        return True
    return allocation.status == "pending" and any(map(_waits, allocation.events.values()))


def _waits(events: Sequence[str]) -> bool:
    return bool(events) and events[-1].startswith("Missing: ")


def told(allocation: Allocation) -> tuple[str, str]:
    """What is wrong with an allocation, and the task that it is wrong with, "" where no task has begun.

    The task that was started again most often, else the first that did not end well; its last exit code, else what
    failed last (a pull, an artifact), else its last event.
    """
    open_tasks = [task for task in allocation.events if task not in allocation.succeeded]
    if not open_tasks:
        return f"{allocation.name} on {allocation.node} is {allocation.status}", ""
    task = max(open_tasks, key=lambda one: allocation.restarts.get(one, 0))
    events = allocation.events[task]
    exits = [event for event in events if event.startswith("Exit Code")]
    caused = [event for event in events if not event.startswith(CONSEQUENCES)]
    failed = [event for event in caused if "fail" in event.lower()]
    missing = events[-1:] if _waits(events) else ()
    last = exits[-1].lower() if exits else (missing or failed or caused or events or [allocation.status])[-1]
    times = allocation.restarts.get(task, 0)
    again = f", started again {times} time{'' if times == 1 else 's'}" if times else ""
    return f"{allocation.name} on {allocation.node}: task {task}: {last}{again}", task


def _deployed(deployment: Deployment, unplaced: str) -> Progress:
    healthy = f"{deployment.healthy} of {deployment.wanted} allocations healthy"
    short = deployment.id[:8]
    if deployment.status == "successful":
        return Progress(True, f"running: {healthy}")
    if deployment.status in ("failed", "cancelled", "blocked"):
        return Progress(False, deployment.description)
    if deployment.status == "paused":
        return Progress(None, "its deployment is paused", f"nomad deployment resume {short}")
    if deployment.canaries:
        seen = f"{min(deployment.healthy, deployment.canaries)} of {deployment.canaries} canaries healthy"
        if deployment.healthy >= deployment.canaries:
            remedy = f"nomad deployment promote {short}, or nomad deployment fail {short}"
            return Progress(None, f"waits for its promotion, {seen}", remedy)
        return Progress(None, unplaced or f"deploying: {seen}; then it waits for its promotion")
    return Progress(None, unplaced or f"deploying: {healthy}")


def _batch(kind: str, mine: Sequence[Allocation], count: int, unplaced: str, to_end: bool) -> Progress:
    wanted = count if kind == "batch" else max(len(mine), 1)
    if failed := [one for one in mine if one.status == "failed" and not one.again]:
        return Progress(False, f"{len(failed)} of {wanted} allocations failed, and Nomad does not try again")
    completed = sum(one.status == "complete" for one in mine)
    if completed >= wanted:
        return Progress(True, f"completed: {completed} allocations")
    running = sum(one.status == "running" for one in mine)
    if running + completed >= wanted:
        return Progress(None if to_end else True, f"running: {running} of {wanted} allocations")
    return Progress(None, unplaced or f"{running} of {wanted} allocations run")
