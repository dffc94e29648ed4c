"""What a preflight finds: one sentence each, true or not, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

WORTH_KNOWING = "what is specified is current and safe"
"""The sentence of what is known of the releases and choices of a specification."""
_MARK = "hashistack found: "


@dataclass(frozen=True)
class Finding:
    """One finding. `ok` False stops an `up`; None doesn't: not to be seen from here, or worth knowing."""

    sentence: str
    ok: bool | None
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        """As one of several in an error or a warning."""
        no = ": no. " if self.ok is False else "? " if self.ok is None else ": "
        return f"{self.sentence}{no}{self.detail}{f'. Next: {self.remedy}' if self.remedy else ''}"


def lines(findings: Iterable[Finding]) -> list[str]:
    """Findings for people: a mark, the sentence and what was seen; below it what to do, where something is."""
    told = []
    for one in findings:
        mark = {True: "✓", None: "!", False: "✗"}[one.ok]
        told.append(f" {mark} {one.sentence:<52} {one.detail}")
        if one.remedy and one.ok is not True:
            told.append(f"     {one.remedy}")
    return told


def marked(finding: Finding) -> str:
    """A finding as a debugging line of the engine, out of which `from_marked` reads it again."""
    return _MARK + json.dumps(asdict(finding))


def from_marked(line: str) -> Finding | None:
    """The finding that a debugging line holds; None for any other line."""
    return Finding(**json.loads(line.removeprefix(_MARK))) if line.startswith(_MARK) else None


def text(findings: Sequence[Finding]) -> str:
    """Findings as the answer of a function: JSON."""
    return json.dumps([asdict(one) for one in findings])


def parsed(text: str) -> list[Finding]:
    """The reverse of `text`."""
    return [Finding(**one) for one in json.loads(text)]
