"""Which of a job's evaluations tells why it has no place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def failed(evaluations: Iterable[Mapping[str, Any]]) -> Mapping[str, Mapping[str, Any]]:
    """Each group that has no place -> Nomad's count of why, empty when all have one.

    What waits for room is told by the blocked evaluation; without one the newest counts, since older ones may be of
    placements that went well later.
    """
    found = sorted(evaluations, key=lambda one: int(one["CreateIndex"]), reverse=True)
    waiting = [one for one in found if one["Status"] == "blocked"]
    done = [one for one in found if one["Status"] in ("complete", "failed")]
    for one in (*waiting, *done)[:1]:
        told: Mapping[str, Mapping[str, Any]] = one.get("FailedTGAllocs") or {}
        return told
    return {}
