"""Client machines, as Nomad lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Node:
    """A client machine as Nomad lists it.

    drivers: each task driver that its configuration allows -> why it can't be used, "" where it can.
    host_volumes: names of those that it has, declared in its pool or made since.
    """

    id: str
    name: str
    node_pool: str
    node_class: str
    status: str
    eligible: bool
    draining: bool
    drivers: Mapping[str, str] = field(default_factory=dict)
    datacenter: str = ""
    host_volumes: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, listed: Mapping[str, Any]) -> Node:
        """From Nomad's JSON."""
        return cls(
            id=listed["ID"],
            name=listed["Name"],
            node_pool=listed["NodePool"],
            node_class=listed["NodeClass"],
            status=listed["Status"],
            eligible=listed["SchedulingEligibility"] == "eligible",
            draining=listed["Drain"],
            drivers={name: _fault(driver) for name, driver in (listed.get("Drivers") or {}).items()},
            datacenter=listed["Datacenter"],
            host_volumes=frozenset(listed.get("HostVolumes") or ()),
        )

    @property
    def usable(self) -> bool:
        """Ready, eligible and not being drained."""
        return self.status == "ready" and self.eligible and not self.draining


def _fault(driver: Mapping[str, Any]) -> str:
    if driver["Detected"] and driver["Healthy"]:
        return ""
    return str(driver["HealthDescription"] or ("unhealthy" if driver["Detected"] else "not detected"))
