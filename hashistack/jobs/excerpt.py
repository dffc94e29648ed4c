"""The last lines of a task's log as an error may show them.

They are the user's own words, and the one thing that says why a task ends. They go to the terminal and to the engine's
messages, never into an output or the state. What looks like a secret in them is struck out. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hashistack.spec.secret_detection import looks_secret, names_secret

LINES = 5
_PAIR = re.compile(r"""([\w.-]+)(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|\S+)""")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
"""What a Nomad or Consul token looks like; an id looks the same, and nobody needs it here."""
STRUCK = "<struck out>"


def excerpt(text: str, secrets: Iterable[str] = ()) -> list[str]:
    """The last `LINES` lines; `secrets` are struck out as well."""
    return [_clean(line, secrets) for line in text.strip().splitlines()[-LINES:]]


def _clean(line: str, secrets: Iterable[str]) -> str:
    for secret in filter(None, secrets):
        line = line.replace(secret, STRUCK)
    line = _PAIR.sub(lambda found: f"{found[1]}{found[2]}{STRUCK}" if _secret(found[1]) else found[0], line)
    line = " ".join(STRUCK if looks_secret(word) else word for word in line.split(" "))
    line = _UUID.sub(STRUCK, line)
    return STRUCK if looks_secret(line) else "".join(char for char in line if char.isprintable())


def _secret(name: str) -> bool:
    return names_secret(re.sub(r"[.-]", "_", name))
