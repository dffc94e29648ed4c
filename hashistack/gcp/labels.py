"""Labels of a cluster's resources: ours, by which machines and drivers find each other, and the user's. Pure."""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from collections.abc import Iterator, Mapping

from hashistack.spec.names import GCP_LABEL_KEY
from hashistack.spec.problems import Problem, show

CLUSTER = "hashistack-cluster"
"""The cluster that a resource belongs to: its site id."""
POOL = "hashistack-pool"
"""In lower case, as labels are; the key of metadata of the same name has it as it is written."""
ROLE = "hashistack-role"
BUNDLE = "hashistack-bundle"
"""What a machine booted from, as `digest` has it: by it a rollout tells old machines from new ones."""
GUEST_ATTRIBUTES = "enable-guest-attributes"
"""Google's key of metadata that lets a machine say something of itself: that it is well."""
SERVERS = "hashistack-servers"
"""On servers alone, with the cluster's id: by it machines find the servers."""

_MOST = 64  # for each resource. https://cloud.google.com/compute/docs/labeling-resources#restrictions
_OURS = 5  # of a server
_DIGEST = 52  # characters of base32
_VALUE = re.compile(r"[a-z0-9_-]{0,63}")


def of_cluster(site: str, given: Mapping[str, str]) -> dict[str, str]:
    """The labels of everything that belongs to a cluster: the user's, and the cluster's id."""
    return {**given, CLUSTER: site}


def of_pool(site: str, pool: str, role: str, given: Mapping[str, str]) -> dict[str, str]:
    """The labels of a pool's machines and their disks. Names of pools differ in more than their case."""
    servers = {SERVERS: site} if role == "server" else {}
    return {**of_cluster(site, given), POOL: pool.lower(), ROLE: role, **servers}


def digest(sha256: str) -> str:
    """A digest as a label's value: a label holds 63 characters, one fewer than the digest has in hexadecimal."""
    return b32encode(bytes.fromhex(sha256)).decode().rstrip("=").lower()


def sha256(digest: str) -> str:
    """The reverse of `digest`; "" for a text that is none."""
    try:
        return b32decode(digest.upper() + "====").hex() if len(digest) == _DIGEST else ""
    except ValueError:
        return ""


def problems(labels: Mapping[str, str], path: str = "tags") -> Iterator[Problem]:
    """What Google Cloud would refuse of the tags that a user gives, which are labels there."""
    room = _MOST - _OURS
    if len(labels) > room:
        yield Problem(path, f"{len(labels)} tags, with ours a machine may have {_MOST}", f"Give at most {room}.")
    for key, value in labels.items():
        if found := GCP_LABEL_KEY.problem(key, f"{path}[{show(key)}]"):
            yield found
        if not _VALUE.fullmatch(value):
            yield Problem(
                f"{path}.{key}",
                f"a label's value on Google Cloud has at most 63 of a-z, 0-9, _ and - (got {show(value)})",
                "Write it in these.",
            )
