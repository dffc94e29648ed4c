"""The tags of a cluster's resources."""

from __future__ import annotations

from collections.abc import Mapping


def named(name: str, tags: Mapping[str, str] | None) -> dict[str, str]:
    """``tags`` and the name that the console shows."""
    return {**(tags or {}), "Name": name}
