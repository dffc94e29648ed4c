"""How commands end: the one table of exit codes. docs/commands.md shows it, and a test holds both to the commands."""

from __future__ import annotations

from typing import Final

INTERRUPTED: Final = 130
"""128 + SIGINT: what typer makes of Ctrl-C."""

EVERY: Final = {
    0: "done, or nothing to do",
    1: "looked, and the answer is the one below; nothing failed",
    2: "it can't be done, has failed, or (`doctor`, `snapshot verify`, `toolchain verify`) is not as it should be; "
    "says what to do",
    INTERRUPTED: "Ctrl-C; the same command goes on from there",
    141: "whoever read the output has closed it",
}
"""Code to meaning, for every command."""

ONE: Final = {
    "down": "with `--dry-run`: there is something to do",
    "gc": "something is due, and `--yes` was not said",
    "heal": "with `--dry-run`: there is something to do",
    "rollout": "with `--dry-run`: there is something to do",
    "run": "the job failed; with `--dry-run`: it would change",
    "scale": "with `--dry-run`: there is something to do",
    "smoke": "not all of it held; the report says what",
    "status": "the cluster is not healthy",
    "upgrade": "with `--dry-run`: there is something to do",
}
"""Command to what 1 means of it; others do not end with it."""

OWN: Final = {"exec": "that of the command that it runs"}
"""Commands that end with a code of somebody else's."""
