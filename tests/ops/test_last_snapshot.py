"""What `status` makes of the record of the servers' own snapshots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hashistack.ops.snapshots.last import LastSnapshot

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"taken": "2026-01-31T11:30:00Z"}, ""),
        ({"taken": "2026-01-31T10:01:00Z", "error": "vault: no"}, ""),
        (
            {"taken": "2026-01-31T09:00:00Z", "error": "vault: no"},
            "the last snapshot is 3 h old; one is due every 60 min (vault: no)",
        ),
        ({"taken": "2026-01-20T12:00:00Z"}, "the last snapshot is 11 days old; one is due every 60 min"),
        ({"since": "2026-01-31T11:59:00Z", "error": "no"}, ""),
        (
            {"since": "2026-01-31T09:00:00Z", "error": "no"},
            "no snapshot could be taken yet; one is due every 60 min (no)",
        ),
    ],
)
def test_a_late_snapshot_is_a_problem(said: dict[str, str], problem: str) -> None:
    found = LastSnapshot.parse({"every": 3600, **said}).problem(NOW)
    assert found == (f"{problem}. Next: hashistack snapshot save" if problem else "")


def test_when_and_where_the_last_one_is() -> None:
    last = LastSnapshot.parse({"every": 3600, "taken": "2026-01-31T11:48:00Z", "where": "/x/a.tar", "size": 9})
    assert last.describe(NOW) == "12 min ago, /x/a.tar"
    assert last.describe(NOW + timedelta(hours=5)) == "5 h ago, /x/a.tar"
    assert LastSnapshot.parse({"every": 3600}).describe(NOW) == "none yet"
