"""EC2's machine types: the reference ones, and what a type's name says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from hashistack.spec.problems import Problem, show

REFERENCE: Mapping[str, str] = {"amd64": "m6i.large", "arm64": "m6g.large"}
"""2 cores and 8 GiB: the vendor's small Nomad, Consul and Vault servers, and to be had in every region.
https://developer.hashicorp.com/nomad/docs/deploy/production/reference-architecture"""

_TYPE = re.compile(r"(?P<family>[a-z]+)(?P<generation>\d*)(?P<more>[a-z0-9-]*)\.(?P<size>[a-z0-9-]+)")


def architecture(machine_type: str) -> str | None:
    """amd64 or arm64, as a type's name says; None where it names no machine that runs Linux.

    "m6g.large" is arm64: the "g" after the generation is Graviton. Before it ("g6.xlarge") it is a graphics card.
    """
    match = _TYPE.fullmatch(machine_type)
    if not match or match["family"] == "mac" or not (match["generation"] or machine_type.startswith("u-")):
        return None
    return "arm64" if match["family"] == "a" or "g" in match["more"] else "amd64"


def problems(path: str, machine_types: Sequence[str], arch: str) -> Iterator[Problem]:
    """Names that are no EC2 type, and types of another architecture than the pool's."""
    for machine_type in machine_types:
        found = architecture(machine_type)
        if found is None:
            yield Problem(
                path, f"is no EC2 machine type for Linux (got {show(machine_type)})", f'One is "{REFERENCE[arch]}".'
            )
        elif found != arch:
            yield Problem(
                path,
                f"is {found}, and the pool is {arch} (got {show(machine_type)})",
                f"Set `arch: {found}`, or name a type such as {show(REFERENCE[arch])}.",
            )
