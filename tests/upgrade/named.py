"""What a release takes from stacks of the last one, and that CHANGELOG.md says so."""

from __future__ import annotations

from collections.abc import Set
from fnmatch import fnmatch
from pathlib import Path

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
NAMED: dict[str, dict[str, str]] = {"Aws": {}, "Gcp": {}, "Local": {}}
"""Platform to patterns of what is lost (`aws:kms/key:Key *: replace`), each with the words of CHANGELOG.md that say
what becomes of it."""


def against(platform: str, lost: Set[str]) -> list[str]:
    """What is lost and not named, and what is named and not lost, or not in CHANGELOG.md."""
    named, text = NAMED[platform], " ".join(CHANGELOG.read_text().split())
    return [
        *(f"lost: {one}" for one in sorted(lost) if not any(fnmatch(one, pattern) for pattern in named)),
        *(f"not lost: {pattern}" for pattern in named if not any(fnmatch(one, pattern) for one in lost)),
        *(f"not in CHANGELOG.md: {words}" for words in named.values() if words not in text),
    ]
