"""How a component refuses what it is given: everything at once, before anything is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from hashistack.component.findings import Finding
from hashistack.spec import ClusterSpec
from hashistack.spec.problems import Problem, SpecError


def parsed(spec: ClusterSpec | Mapping[str, Any]) -> ClusterSpec:
    """The specification, from plain data too. Raises pulumi.RunError with all its problems."""
    try:
        return spec if isinstance(spec, ClusterSpec) else ClusterSpec.parse(spec)
    except SpecError as error:
        # The one exception that every language host shows without a traceback.
        raise pulumi.RunError(str(error)) from error


def refuse(problems: Sequence[Problem], found: Sequence[Finding] = ()) -> None:
    """Raises pulumi.RunError, which every language host shows without a traceback, with everything at once."""
    told = [*map(str, problems), *map(str, found)]
    if found:
        told.append("Nothing was made.")
    if told:
        raise pulumi.RunError("\n".join(told))
