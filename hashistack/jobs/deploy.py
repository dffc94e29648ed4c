"""A job that is submitted, and watched until it has come to where it is to be: for `NomadJob` and `hashistack run`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

from hashistack.errors import HashistackError
from hashistack.jobs.progress import Progress, failures, progress, told

if TYPE_CHECKING:
    from hashistack.ops.api.allocations import Allocation
    from hashistack.ops.api.nomad import Nomad

DEPLOY_SECONDS = 900.0
"""How long a deployment may take: longer than Nomad's own progress deadline of ten minutes."""
_HOLD_SECONDS = 1.0
"""A deployment may end without a change of any allocation."""
SHOWN = 3
"""Failing allocations that are told; the others most likely fail in the same way."""
CHARACTERS = 600
"""Of the end of a task's log."""


class JobRefused(HashistackError):
    """Nomad does not take the job; says why, in Nomad's words."""


def submit(nomad: Nomad, job: Mapping[str, Any]) -> int:
    """Registers a job (Nomad's JSON) in `nomad`'s namespace; answers its version.

    Raises:
        JobRefused: Nomad does not take it.
        ApiError: no server answered.
    """
    from hashistack.ops.api.http import ApiError

    try:
        return nomad.register(job)
    except ApiError as error:
        if error.status is None:
            raise
        raise JobRefused(f"job {job['ID']}: Nomad does not take it: {error.excerpt}") from error


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
    log = _Log(nomad, secrets)
    while not cancelled.is_set():
        allocations, index = nomad.allocations(id, index, _HOLD_SECONDS if index else 0)
        unplaced = nomad.blocked(id)
        now = progress(job, version, nomad.deployment(id), allocations, unplaced, to_end)
        if now.well:
            return now
        story = log.story(failures(allocations, version))
        if now.well is False:
            return replace(now, text="\n".join([now.text, *story]))
        moment = time.monotonic()
        placed = placed if unplaced else moment
        if unplaced_seconds is not None and moment - placed > unplaced_seconds:
            return replace(now, well=False, text="\n".join([unplaced, *story]))
        if moment - begun > seconds:
            return replace(now, text="\n".join([f"not done after {seconds:.0f} s: {now.text}", *story]))
        told(now, story)
    return Progress(False, "cancelled while it was deployed")


class _Log:
    """What failing allocations say; a task's log is read again only when it has ended once more."""

    def __init__(self, nomad: Nomad, secrets: Sequence[str]) -> None:
        self._nomad, self._secrets = nomad, secrets
        self._read: dict[tuple[str, str, int, str], list[str]] = {}

    def story(self, ill: Sequence[Allocation]) -> list[str]:
        """A text for each of a few allocations: a line, with the last lines of its task below."""
        lines = []
        for one in ill[:SHOWN]:
            what, task = told(one)
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
