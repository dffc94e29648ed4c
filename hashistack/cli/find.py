"""Which job or allocation a user means."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hashistack.cli.errors import Refusal
from hashistack.ops.api.allocations import Allocation
from hashistack.ops.api.nomad import Nomad

_START_OF_ID = re.compile(r"[0-9a-f]{4}[0-9a-f-]*")


def find(nomad: Nomad, name: str) -> tuple[str, list[Allocation]]:
    """The job of this name with its allocations, newest first; or ("", one allocation) whose id begins so.

    The start of a job's name does, where it is the start of no other.

    Raises:
        Refusal: there is none, or there are several; says which.
    """
    jobs = nomad.jobs()
    if name not in jobs and _START_OF_ID.fullmatch(name):
        digits = name.replace("-", "")
        even = name if "-" in name else digits[: len(digits) // 2 * 2]
        found = [one for one in nomad.allocations_by_id(even.rstrip("-")) if one.id.startswith(name)]
        if len(found) > 1:
            raise Refusal(f"{len(found)} allocations begin with {name}; say which:\n{listed(found)}")
        if found:
            return "", found
    alike = [name] if name in jobs else [job for job in jobs if job.startswith(name)]
    if len(alike) > 1:
        raise Refusal(f"{len(alike)} jobs begin with {name}; say which: {', '.join(alike)}")
    if not alike:
        there = f"only {', '.join(jobs)}" if jobs else "nor any other"
        where = "" if nomad.namespace == "default" else f" in namespace {nomad.namespace}"
        raise Refusal(f"there is no job or allocation {name}{where}, {there}", "hashistack run FILE")
    return alike[0], list(nomad.allocations(alike[0])[0])


def running_task(nomad: Nomad, name: str, task: str | None) -> tuple[Allocation, str, int]:
    """An allocation that runs, of the job or allocation `name`; its task `task`, else its only one; how many more run.

    Raises:
        Refusal: none runs, or it has not that task, or several of which none is named; says which.
    """
    job, allocations = find(nomad, name)
    running = sorted((one for one in allocations if one.running), key=lambda one: one.name)
    if not running:
        if not job:
            raise Refusal(f"allocation {allocations[0].id[:8]} runs no task: it is {allocations[0].status}")
        raise nothing(nomad, job, "runs")
    tasks = sorted(running[0].running)
    if task is None and len(tasks) > 1:
        raise Refusal(f"{running[0].name} runs {len(tasks)} tasks; say which: --task {' or --task '.join(tasks)}")
    if task is not None and task not in tasks:
        raise Refusal(f"{running[0].name} runs no task {task}, only {', '.join(tasks)}")
    return running[0], task or tasks[0], len(running) - 1


def heard(nomad: Nomad, job: str, allocations: Sequence[Allocation]) -> list[Allocation]:
    """Whose logs are shown: of all allocations that run; where none does, of the newest. Raises Refusal: none began."""
    chosen = [one for one in allocations if one.running] or [one for one in allocations if one.events][:1]
    if not chosen:
        raise nothing(nomad, job, "has begun")
    return chosen


def nothing(nomad: Nomad, job: str, what: str) -> Refusal:
    """The error where a job has nothing that `what`."""
    waits = nomad.blocked(job) if job else None
    told, remedy = (f": {waits.text}", waits.remedy) if waits else ("", "")
    return Refusal(f"job {job} has no allocation that {what}{told}", remedy or f"nomad job status {job}")


def listed(allocations: Sequence[Allocation]) -> str:
    """A line for each."""
    return "\n".join(f"  {one.id[:8]}   {one.name} on {one.node}, {one.status}" for one in allocations)
