"""The variables by which programs reach a cluster, of which no report of a test shows a secret. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_SHORTEST = 8
"""Characters of what GitHub is told to strike out: a shorter text is in everything."""


class Secret(str):
    """A text that is shown as stars by what shows values: a traceback's arguments, locals, a list that it is in."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Variables(dict[str, str]):
    """Shown by their names alone. The values of those that end with `_TOKEN` are `Secret`, also in a copy."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__({name: Secret(text) if name.endswith("_TOKEN") else text for name, text in values.items()})

    def __repr__(self) -> str:
        return f"<variables {', '.join(self)}>"

    __str__ = __repr__

    @property
    def secrets(self) -> list[str]:
        """The values that nobody may see."""
        return [str(text) for text in self.values() if isinstance(text, Secret)]


def masks(secrets: Iterable[str]) -> list[str]:
    """Lines by which GitHub learns what to strike out of a job's log; of a key, each of its lines."""
    lines = (line for secret in secrets for line in secret.splitlines() if not line.startswith("-----"))
    return [f"::add-mask::{line}" for line in lines if len(line) >= _SHORTEST]
