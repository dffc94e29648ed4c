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


def nothing(nomad: Nomad, job: str, what: str) -> Refusal:
    """The error where a job has nothing that `what`."""
    waits = nomad.blocked(job) if job else None
    told, remedy = (f": {waits.text}", waits.remedy) if waits else ("", "")
    return Refusal(f"job {job} has no allocation that {what}{told}", remedy or f"nomad job status {job}")


def listed(allocations: Sequence[Allocation]) -> str:
    """A line for each."""
    return "\n".join(f"  {one.id[:8]}   {one.name} on {one.node}, {one.status}" for one in allocations)
