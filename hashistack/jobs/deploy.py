"""A job that is submitted, and watched until it has come to where it is to be: for `NomadJob` and `hashistack run`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

from hashistack.errors import HashistackError
from hashistack.jobs.progress import Progress, failures, progress, told
from hashistack.jobs.remedies import remedy

if TYPE_CHECKING:
    from hashistack.ops.api.allocations import Allocation
    from hashistack.ops.api.connection import Pool
    from hashistack.ops.api.nomad import Nomad
    from hashistack.ops.api.placement import Unplaced

DEPLOY_SECONDS = 900.0
"""How long a deployment may take: longer than Nomad's own progress deadline of ten minutes."""
_HOLD_SECONDS = 1.0
"""A deployment may end without a change of any allocation."""
UNPLACED_SECONDS = 30.0
"""How long a job may find no place where somebody waits for it: a task that is being replaced may hold it until its
`kill_timeout`."""
SHOWN = 3
"""Failing allocations that are told; the others most likely fail in the same way."""
CHARACTERS = 600
"""Of the end of a task's log."""


REFUSALS = {
    "Enterprise": "take it out of the job: Nomad's community edition does not have it",
    "unlicensed": "take it out of the job: Nomad's community edition does not have it",
    "No path to region": "leave region out of the job, or set `region` in the specification",
    "nonexistent node pool": "leave node_pool out of the job, or set `node_pool` in a pool of clients",
}
"""Words of Nomad's, to what to do where it says them."""


class JobRefused(HashistackError):
    """Nomad does not take the job; says why, in Nomad's words."""


class JobUnplaceable(HashistackError):
    """A group of the job asks for what no machine of the cluster has."""


def refuse_unknown_namespace(nomad: Nomad) -> None:
    """Raises JobRefused where `nomad`'s namespace is not there, with those that are."""
    if nomad.namespace not in (known := nomad.namespaces()):
        raise JobRefused(
            f"the cluster has no namespace {nomad.namespace}, only {', '.join(known)}",
            f"nomad namespace apply {nomad.namespace}",
        )


def submit(nomad: Nomad, job: Mapping[str, Any]) -> int:
    """Registers a job (Nomad's JSON) in `nomad`'s namespace; answers its version.

    Raises:
        JobRefused: Nomad does not take it.
        ApiError: no server answered.
    """
    with _refusals(job):
        return nomad.register(job)


def plan(nomad: Nomad, job: Mapping[str, Any]) -> tuple[Mapping[str, Any], Unplaced | None]:
    """Nomad's plan for a job, and why some of it would have no place. Changes nothing.

    Raises:
        JobRefused: Nomad does not take it.
        ApiError: no server answered.
    """
    with _refusals(job):
        planned = nomad.plan(job)
    failed = planned.get("FailedTGAllocs")
    return planned, nomad.unplaced(failed, job) if failed else None


def refuse_unplaceable(
    nomad: Nomad, job: Mapping[str, Any], unplaced: Unplaced | None, pools: Iterable[Pool], past: str = ""
) -> str:
    """Where waiting would not help. What is full may have room soon.

    A plan sees only machines that are ready. While some are missing, one of them may take the job: then this answers
    what the job waits for, else "". past: how the user gets past this, "" where there is no way.

    Raises:
        JobUnplaceable: says which group, why, and what to do.
    """
    if not unplaced or not unplaced.never:
        return ""
    if late := list(_late(nomad, pools)):
        return f"{unplaced.text}. It waits for a machine that may come: {', '.join(late)}"
    remedy = "; or ".join(one for one in (unplaced.remedy, past) if one)
    raise JobUnplaceable(f"job {job['ID']}: {unplaced.text}", remedy)


def _late(nomad: Nomad, pools: Iterable[Pool]) -> Iterator[str]:
    for pool in pools:
        if pool.role == "client":
            ready = sum(node.usable for node in nomad.nodes(pool.name))
            if ready < max(pool.count, 1):  # one that is declared with none may have some later
                some = f"{ready} of {pool.count} machines ready" if pool.count else "no machine yet"
                yield f"pool {pool.name} has {some}"


@contextmanager
def _refusals(job: Mapping[str, Any]) -> Iterator[None]:
    from hashistack.ops.api.http import ApiError

    try:
        yield
    except ApiError as error:
        if error.status is None:
            raise
        # Nomad's library counts its errors and sets each on a line of its own: "1 error occurred: * …".
        said = re.sub(r"\s*\b\d+ errors? occurred:\s*\*\s*", " ", error.excerpt.removeprefix("rpc error: ")).strip()
        remedy = next((remedy for word, remedy in REFUSALS.items() if word in said), "")
        raise JobRefused(f"job {job['ID']}: Nomad does not take it: {said}", remedy) from error


def watch(
    nomad: Nomad,
    id: str,
    version: int,
    secrets: Sequence[str],
    told: Callable[[Progress, Sequence[str]], None],
    cancelled: Event,
    *,
    seconds: float = DEPLOY_SECONDS,
    unplaced_seconds: float | None = None,
    to_end: bool = False,
) -> Progress:
    """Until this version of a job is where it is to be, or will not be: see `progress`. Its text says what is wrong.

    Args:
        secrets: values that no text may hold.
        told: hears each look: how the job is doing, and a text for each failing allocation.
        seconds: how long it may take.
        unplaced_seconds: how long it may be without a place; None: as long as the whole may take.
        to_end: a batch job is there once it has ended, not once it runs.
    """
    begun, index = time.monotonic(), 0
    placed = begun
    job = nomad.job(id)
    log = _Log(nomad, id, secrets)
    while not cancelled.is_set():
        allocations, index = nomad.allocations(id, index, _HOLD_SECONDS if index else 0)
        blocked = nomad.blocked(id)
        unplaced = blocked.text if blocked else ""
        now = progress(job, version, nomad.deployment(id), allocations, unplaced, to_end)
        if now.well:
            return now
        if blocked and now.text == unplaced:
            now = replace(now, remedy=blocked.remedy)
        story = log.story(failures(allocations, version))
        if now.well is False:
            if not story:  # what failed has a successor by now, or has failed since this look began
                allocations, _ = nomad.allocations(id)
                story = log.story([one for one in allocations if one.job_version == version and one.status == "failed"])
            return replace(now, text="\n".join([now.text, *story]))
        moment = time.monotonic()
        placed = placed if unplaced else moment
        if unplaced_seconds is not None and moment - placed > unplaced_seconds:
            return Progress(False, "\n".join([unplaced, *story]), blocked.remedy if blocked else "")
        if moment - begun > seconds:
            return replace(now, text="\n".join([f"not done after {seconds:.0f} s: {now.text}", *story]))
        told(now, story)
    return Progress(False, "cancelled while it was deployed")


class _Log:
    """What failing allocations say; a task's log is read again only when it has ended once more."""

    def __init__(self, nomad: Nomad, id: str, secrets: Sequence[str]) -> None:
        self._nomad, self._secrets = nomad, secrets
        self._id = id
        self._read: dict[tuple[str, str, int, str], list[str]] = {}

    def story(self, ill: Sequence[Allocation]) -> list[str]:
        """A text for each of a few allocations: a line, with the last lines of its task below."""
        lines = []
        for one in ill[:SHOWN]:
            what, task = told(one)
            if help := remedy(what.partition(f": task {task}: ")[2], self._nomad.namespace, self._id):
                what = f"{what}. Next: {help}"
            lines.append("\n".join([what, *(f"    {line}" for line in self._last(one, task))]))
        return lines

    def _last(self, one: Allocation, task: str) -> list[str]:
        key = (one.id, task, one.restarts.get(task, 0), one.status)
        if task and key not in self._read:
            said = self._nomad.stderr(one.id, task, CHARACTERS)
            said = said or self._nomad.stderr(one.id, task, CHARACTERS, kind="stdout")
            # Imported here, with the specification: every `up` loads this module, and few jobs fail.
            from hashistack.jobs.excerpt import excerpt

            self._read[key] = excerpt(said, self._secrets)
        return self._read.get(key, [])
