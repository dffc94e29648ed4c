"""Durations as Go, and so Nomad, Consul and Vault, writes them: "30s", "1h30m"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from hashistack.spec.problems import FieldError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|h|m|s)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)


def seconds(duration: str) -> float:
    """The length of a Go duration ("1h30m" is 5400.0). Raises `FieldError`, a `ValueError`, for anything else."""
    if not _WHOLE.fullmatch(duration):
        raise FieldError("is not a duration", _remedy(duration))
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(duration))


def _remedy(duration: str) -> str:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", duration):
        return f'It needs a unit: "{duration}s" or "{duration}m".'
    if duration.startswith("-"):
        return "It must be positive."
    days = re.fullmatch(r"([0-9]+)(d|w)", duration)
    if days:
        hours = int(days[1]) * (24 if days[2] == "d" else 168)
        return f'Go knows no days or weeks: write "{hours}h".'
    return 'Write it with h, m, s or ms: "30s", "1h30m".'


def _text(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise FieldError("is not a duration", f'It needs a unit: "{value}s".')
    return value


def _positive(value: str) -> str:
    if seconds(value) <= 0:
        raise FieldError("must be longer than nothing", "Give a positive duration.")
    return value


Duration = Annotated[str, BeforeValidator(_text), AfterValidator(_positive)]
"""A positive Go duration, kept as it was written."""


def is_duration(metadata: Iterable[object]) -> bool:
    """Whether a field with this metadata of pydantic's is a `Duration`."""
    return any(isinstance(one, AfterValidator) and one.func is _positive for one in metadata)


def within(least: str, most: str) -> AfterValidator:
    """A further bound for a `Duration`, both ends included."""

    def bounded(value: str) -> str:
        if not seconds(least) <= seconds(value) <= seconds(most):
            raise FieldError(f"must be between {least} and {most}", "Choose a value in that range.")
        return value

    return AfterValidator(bounded)
