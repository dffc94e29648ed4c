"""What a specification asks for that local clusters can't have."""

from __future__ import annotations

from hashistack.spec import ClusterSpec
from hashistack.spec.problems import Problem

_LACKING = ("java", "qemu")
"""Task drivers whose programs the machine image does not have."""


def problems(spec: ClusterSpec) -> list[Problem]:
    """Everything at once."""
    return [
        Problem(
            f"clients[{index}].drivers",
            f"the machine image of local clusters has no {driver}",
            'Use "docker" there: an image with it does the same.',
        )
        for index, pool in enumerate(spec.clients)
        for driver in pool.drivers
        if driver in _LACKING
    ]
