"""Deployments, as Nomad tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Deployment:
    """A job version's deployment; `status` is Nomad's word (running, successful, failed, …).

    healthy, wanted: allocations, of all groups. canaries: those of groups that wait to be promoted by hand.
    """

    status: str
    description: str
    job_version: int
    id: str = ""
    healthy: int = 0
    wanted: int = 0
    canaries: int = 0

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Deployment:
        """From Nomad's JSON."""
        groups = (data.get("TaskGroups") or {}).values()
        waiting = [one for one in groups if one["DesiredCanaries"] and not one["Promoted"] and not one["AutoPromote"]]
        return cls(
            status=data["Status"],
            description=data["StatusDescription"],
            job_version=data["JobVersion"],
            id=data["ID"],
            healthy=sum(one["HealthyAllocs"] for one in groups),
            wanted=sum(one["DesiredTotal"] for one in groups),
            canaries=sum(one["DesiredCanaries"] for one in waiting),
        )
