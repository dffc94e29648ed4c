"""Tags of what is not a machine. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hashistack.spec.problems import Problem, show

CLUSTER = "hashistack:cluster"
"""The cluster that a resource belongs to: its site id."""
_MOST = 50  # for each resource; some places are ours
_LONGEST_VALUE = 256


def named(name: str, tags: Mapping[str, str] | None) -> dict[str, str]:
    """``tags`` and the name that the console shows."""
    return {**(tags or {}), "Name": name}


def problems(tags: Mapping[str, str], path: str = "tags") -> Iterator[Problem]:
    """What AWS would refuse of the tags that a user gives (a key's form is checked by the specification)."""
    room = _MOST - 6  # the five of a machine, and the group's own name
    if len(tags) > room:
        yield Problem(path, f"{len(tags)} tags, with ours a machine may have {_MOST}", f"Give at most {room}.")
    for key, value in tags.items():
        if len(value) > _LONGEST_VALUE:
            yield Problem(
                f"{path}.{key}",
                f"is {len(value)} characters long, AWS takes {_LONGEST_VALUE} (got {show(value)})",
                "Shorten it.",
            )
