"""Tags of a cluster's resources: ours, by which machines and drivers find each other, and the user's. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from hashistack.spec.problems import Problem, show

CLUSTER = "hashistack:cluster"
"""The cluster that a resource belongs to: its site id."""
POOL = "hashistack:pool"
ROLE = "hashistack:role"
BUNDLE = "hashistack:bundle"
"""The digest that a machine booted from: by it a rollout tells old machines from new ones."""
SERVERS = "hashistack:servers"
"""On servers alone, with the cluster's id: by it machines find the servers."""
GROUP = "aws:autoscaling:groupName"
"""AWS's own, on each instance of an Auto Scaling group."""

_MOST = 50  # for each resource; some places are ours
_OURS = 6  # of a server: the five above, and its name
_LONGEST_VALUE = 256
_VALUE = "_.:/=+-@"
"""Beside letters, digits and spaces of any script.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions"""
# With tags in the metadata service, where machines read them, a launch with other keys fails.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
_KEY = re.compile(r"(?!(\.|\.\.|_index)$)[A-Za-z0-9+\-=.,_:@]+")


def of_cluster(site: str, given: Mapping[str, str]) -> dict[str, str]:
    """The tags of everything that belongs to a cluster: the user's, and the cluster's id."""
    return {**given, CLUSTER: site}


def of_pool(site: str, pool: str, role: str, given: Mapping[str, str]) -> dict[str, str]:
    """The tags of a pool, and of its machines and their volumes."""
    servers = {SERVERS: site} if role == "server" else {}
    return named(f"{site}-{pool}", {**of_cluster(site, given), POOL: pool, ROLE: role, **servers})


def named(name: str, tags: Mapping[str, str] | None) -> dict[str, str]:
    """``tags`` and the name that the console shows."""
    return {**(tags or {}), "Name": name}


def problems(tags: Mapping[str, str], path: str = "tags") -> Iterator[Problem]:
    """What AWS would refuse of the tags that a user gives (the specification refuses what no cloud takes)."""
    room = _MOST - _OURS
    if len(tags) > room:
        yield Problem(path, f"{len(tags)} tags, with ours a machine may have {_MOST}", f"Give at most {room}.")
    for key, value in tags.items():
        if not _KEY.fullmatch(key):
            yield Problem(
                f"{path}[{show(key)}]",
                "AWS starts no machine that reads its own tags with such a key",
                "Use letters, digits and + - = . , _ : @.",
            )
        if not all(char in _VALUE or unicodedata.category(char)[0] in "LNZ" for char in value):
            yield Problem(
                f"{path}.{key}",
                f"has characters that AWS takes in no tag (got {show(value)})",
                f"Use letters, digits, spaces and {' '.join(_VALUE)}.",
            )
        if len(value) > _LONGEST_VALUE:
            yield Problem(
                f"{path}.{key}",
                f"is {len(value)} characters long, AWS takes {_LONGEST_VALUE} (got {show(value)})",
                "Shorten it.",
            )
