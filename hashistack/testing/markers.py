"""What the marker `hashistack` of a test asks for. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hashistack.errors import HashistackError

if TYPE_CHECKING:
    from pytest import Mark


class BadMarker(HashistackError):
    """A marker that can't be; the text says why."""


@dataclass(frozen=True)
class Asked:
    """spec: as JSON, "" where it is the usual one. test: who has the cluster alone, "" where nobody."""

    spec: str = ""
    test: str = ""


def asked(markers: Iterable[Mark], test: str) -> Asked:
    """What a test's markers ask for together: of two that say the same thing, the one that is closer to the test wins.

    Args:
        markers: the closest first, as `iter_markers` has them. test: its id.

    Raises:
        BadMarker: one says what there is not.
    """
    said: dict[str, Any] = {}
    for marker in markers:
        if marker.args or marker.kwargs.keys() - {"spec", "destructive"}:
            wrong = ", ".join(sorted(marker.kwargs.keys() - {"spec", "destructive"})) or "positional arguments"
            raise BadMarker(f"the marker takes spec and destructive, not {wrong}")
        said = {**marker.kwargs, **said}
    spec = said.get("spec")
    return Asked("" if spec is None else json.dumps(spec, sort_keys=True), test if said.get("destructive") else "")
