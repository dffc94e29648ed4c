"""Why Nomad can't place a job, out of its evaluations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def unplaced(evaluations: Iterable[Mapping[str, Any]]) -> str:
    """Each group that has no place and the reasons, "" when all have one.

    What waits for room is told by the blocked evaluation; without one the newest counts, since older ones may be of
    placements that went well later.
    """
    found = sorted(evaluations, key=lambda one: int(one["CreateIndex"]), reverse=True)
    waiting = [one for one in found if one["Status"] == "blocked"]
    done = [one for one in found if one["Status"] in ("complete", "failed")]
    for one in (*waiting, *done)[:1]:
        failed = (one.get("FailedTGAllocs") or {}).items()
        return "; ".join(_group(group, metric) for group, metric in sorted(failed))
    return ""


def _group(group: str, metric: Mapping[str, Any]) -> str:
    if not metric["NodesEvaluated"]:
        pool = metric.get("NodePool") or "default"
        return f"group {group} can't be placed: node pool {pool} has no ready machine in its datacenters"
    counted = {
        **{f"constraint {what}": count for what, count in (metric.get("ConstraintFiltered") or {}).items()},
        **{f"node class {what}": count for what, count in (metric.get("ClassFiltered") or {}).items()},
        **{f"too little {what}": count for what, count in (metric.get("DimensionExhausted") or {}).items()},
    }
    reasons = [f"{reason} on {count}" for reason, count in counted.items()]
    reasons += [f"quota {quota} is used up" for quota in metric.get("QuotaExhausted") or ()]
    seen = ", ".join(reasons) or "none fits"
    return f"group {group} can't be placed on any of {metric['NodesEvaluated']} nodes: {seen}"
