"""How a component reads the specification that it is given: all problems of it at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from hashistack.spec import ClusterSpec
from hashistack.spec.problems import SpecError


def parsed(spec: ClusterSpec | Mapping[str, Any]) -> ClusterSpec:
    """The specification, from plain data too. Raises pulumi.RunError with all its problems."""
    try:
        return spec if isinstance(spec, ClusterSpec) else ClusterSpec.parse(spec)
    except SpecError as error:
        # The one exception that every language host shows without a traceback.
        raise pulumi.RunError(str(error)) from error
