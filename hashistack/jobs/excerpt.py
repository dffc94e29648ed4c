"""The last lines of a task's log as an error may show them.

They are the user's own words, and the one thing that says why a task ends. They go to the terminal and to the engine's
messages, never into an output or the state. What looks like a secret in them is struck out. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hashistack.spec.secret_detection import STRUCK, struck_out

LINES = 5
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
"""What a Nomad or Consul token looks like; an id looks the same, and nobody needs it here."""


def excerpt(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """The last `LINES` lines; `secrets` are struck out as well."""
    return [_clean(line, secrets) for line in text.strip().splitlines()[-LINES:]]


def _clean(line: str, secrets: Iterable[str]) -> str:
    line = _UUID.sub(STRUCK, struck_out(line, secrets))
    return "".join(char for char in line if char.isprintable())
