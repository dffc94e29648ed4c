"""Where a project keeps what its cluster's operations leave behind: snapshots, and the events of each rollout."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from hashistack.ops.rollout.events import Event

FOLDER = ".hashistack"


def place(project: Path, kind: str) -> Path:
    """The directory for `kind` (``snapshots``, ``rollouts``) in a project, private and out of git."""
    root = project / FOLDER
    root.mkdir(mode=0o700, exist_ok=True)
    ignored = root / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n")
    found = root / kind
    found.mkdir(mode=0o700, exist_ok=True)
    return found


def stamp(now: datetime | None = None) -> str:
    """A moment as the name of a file, in UTC: sorts as time does."""
    return (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H-%M-%SZ")


class EventLog:
    """Writes the events of one rollout as NDJSON, a line at once, so that a killed run leaves what it has seen.

    No file is made before the first event.
    """

    def __init__(self, project: Path) -> None:
        self.path = place(project, "rollouts") / f"{stamp()}.ndjson"

    def write(self, event: Event) -> None:
        """Append one event."""
        with self.path.open("a") as out:
            out.write(json.dumps(event.as_json()) + "\n")


def recorded(project: Path, since: float = 0.0) -> list[Path]:
    """The files of rollouts that have told something since a moment (seconds of the epoch), oldest first."""
    files = (project / FOLDER / "rollouts").glob("*.ndjson")
    return sorted(file for file in files if file.stat().st_mtime >= since)
