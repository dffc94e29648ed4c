"""The zones of a region that a cluster is spread over. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hashistack.spec.names import foreign_zones
from hashistack.spec.problems import Problem, SpecError, show

ZONES = 3
"""Of three zones one may be lost, and two thirds of the voters are left."""


def zones(found: Sequence[str], wanted: Sequence[str] | None, region: str) -> tuple[str, ...]:
    """The zones to use: those that are wanted, else the first three of the region.

    Raises SpecError for a zone that the region does not have, and for a region with fewer than three where none is
    wanted by name.
    """
    if wanted is None:
        if len(found) < ZONES:
            raise SpecError([Problem("servers.zones", f"{region} offers {len(found)} zones here, {ZONES} are needed",
                                     "Use another region, or name the zones.")])  # fmt: skip
        return tuple(sorted(found)[:ZONES])
    foreign = list(foreign_zones(wanted, region))
    if not foreign:
        foreign = [
            Problem(f"zones[{i}]", f"is not offered to this account (got {show(zone)})", f"Known: {', '.join(found)}.")
            for i, zone in enumerate(wanted)
            if zone not in found
        ]
    if foreign:
        raise SpecError(foreign)
    return tuple(wanted)
