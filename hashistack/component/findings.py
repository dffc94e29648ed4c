"""What a preflight finds: one sentence each, true or not, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One finding. `ok` False stops an `up`; None doesn't: not to be seen from here, or worth knowing."""

    sentence: str
    ok: bool | None
    detail: str
    remedy: str = ""


def lines(findings: Iterable[Finding]) -> list[str]:
    """Findings for people: a mark, the sentence and what was seen; below it what to do, where something is."""
    told = []
    for one in findings:
        mark = {True: "✓", None: "!", False: "✗"}[one.ok]
        told.append(f" {mark} {one.sentence:<52} {one.detail}")
        if one.remedy and one.ok is not True:
            told.append(f"     {one.remedy}")
    return told
