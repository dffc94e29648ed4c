"""Snapshots of Consul, Nomad and Vault."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hashistack.spec.durations import Duration, within
from hashistack.spec.section import Section


class Snapshots(Section):
    """When snapshots are taken, and how many are kept. One more is taken before each upgrade of servers."""

    enabled: bool = True
    """Whether they are taken at intervals."""
    interval: Annotated[Duration, within("5m", "168h")] = "1h"
    """Time between two snapshots."""
    retain: Annotated[int, Field(ge=1, le=10000)] = 72
    """How many of each product are kept; the oldest goes first."""
