"""What the servers say of the snapshots that they take at intervals: when, where, and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hashistack.ops.api.cluster import Cluster

KEY = "hashistack/snapshots"
"""In Consul's key/value store; `node/snapshots/snapshots` writes it."""

LATE = 2
"""Intervals without a snapshot until that is a problem: one may fail while a server is replaced."""


@dataclass(frozen=True)
class LastSnapshot:
    """every: seconds between two. taken: the last one's time, None before the first; where it is, and its bytes.

    error: why the last try failed, "" where it did not. since: when tries began to fail, None where none has.
    """

    every: int
    taken: datetime | None = None
    where: str = ""
    size: int = 0
    error: str = ""
    since: datetime | None = None

    @classmethod
    def parse(cls, said: Mapping[str, object]) -> LastSnapshot:
        """The record as the servers write it."""
        taken, since = (_time(said.get(key)) for key in ("taken", "since"))
        return cls(
            int(str(said["every"])),
            taken,
            str(said.get("where", "")),
            int(str(said.get("size", 0))),
            str(said.get("error", "")),
            since,
        )

    def problem(self, now: datetime) -> str:
        """What is wrong, "" when nothing is: none for longer than `LATE` intervals."""
        begun = self.taken or self.since
        if begun is None or now - begun < timedelta(seconds=LATE * self.every):
            return ""
        told = f"the last snapshot is {_ago(now - begun)} old" if self.taken else "no snapshot could be taken yet"
        why = f" ({self.error})" if self.error else ""
        return f"{told}; one is due every {_ago(timedelta(seconds=self.every))}{why}. Next: hashistack snapshot save"

    def describe(self, now: datetime) -> str:
        """The same for people when all is well."""
        if self.taken is None:
            return "none yet"
        return f"{_ago(now - self.taken)} ago, {self.where}"


def last_snapshot(cluster: Cluster) -> LastSnapshot | None:
    """What stands in Consul; None where no snapshots are taken at intervals, or none was tried yet.

    Raises:
        ApiError: Consul did not answer.
    """
    found = cluster.consul.api.call("GET", f"/v1/kv/{KEY}", params={"raw": "true"}, accept=(404,))
    return None if found.status == 404 else LastSnapshot.parse(json.loads(found.data))


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
