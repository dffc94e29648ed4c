"""Compute Engine's machine types: the reference ones, and what a type's name says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from hashistack.spec.problems import Problem, show

REFERENCE: Mapping[str, str] = {"amd64": "n2-standard-2", "arm64": "c4a-standard-2"}
"""2 cores and 8 GiB, as on the other cloud."""

_TYPE = re.compile(r"(?P<family>[a-z]\d[a-z]?)-[a-z][a-z0-9-]*|(?P<custom>custom)-\d+-\d+")
_ARM64 = {"a4x", "c4a", "n4a", "t2a"}
"""https://cloud.google.com/compute/docs/instances/arm-on-compute"""
_HYPERDISK = {"a4x", "c4", "c4a", "c4d", "n4", "n4a", "n4d", "m4", "x4", "h4d", "a4"}
"""Families that take no persistent disk. https://cloud.google.com/compute/docs/disks/hyperdisks"""


def family(machine_type: str) -> str | None:
    """ "n2" of "n2-standard-2"; None where it names no machine. Types of no family ("custom-2-8192") are N1."""
    match = _TYPE.fullmatch(machine_type)
    return match and (match["family"] or "n1")


def architecture(machine_type: str) -> str | None:
    """amd64 or arm64, as a type's family says; None where it names no machine."""
    found = family(machine_type)
    return found and ("arm64" if found in _ARM64 else "amd64")


def disk_type(machine_type: str) -> str:
    """What the machine's disks are: balanced, of the kind that its family takes."""
    return "hyperdisk-balanced" if family(machine_type) in _HYPERDISK else "pd-balanced"


def problems(path: str, machine_types: Sequence[str], arch: str) -> Iterator[Problem]:
    """Names that are no machine type, and types of another architecture than the pool's."""
    for machine_type in machine_types:
        found = architecture(machine_type)
        if found is None:
            yield Problem(
                path, f"is no machine type of Google Cloud (got {show(machine_type)})", f'One is "{REFERENCE[arch]}".'
            )
        elif found != arch:
            yield Problem(
                path,
                f"is {found}, and the pool is {arch} (got {show(machine_type)})",
                f"Set `arch: {found}`, or name a type such as {show(REFERENCE[arch])}.",
            )
