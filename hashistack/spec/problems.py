"""What is wrong with a specification, in words that an operator can act upon."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from hashistack.errors import HashistackError
from hashistack.spec.secret_detection import looks_secret

_LONGEST_VALUE = 60


@dataclass(frozen=True, order=True)
class Problem:
    """One fault: where it is (`clients[0].min`), what is wrong there, and what to do about it."""

    path: str
    what: str
    remedy: str

    def under(self, prefix: str) -> Problem:
        """The same problem seen from one level higher."""
        if not self.path or self.path.startswith("["):
            return replace(self, path=prefix + self.path)
        return replace(self, path=f"{prefix}.{self.path}")

    def line(self, root: str = "spec") -> str:
        """`<root>.<path>: <what>. <remedy>`, on one line."""
        place = f"{root}{self.path}" if self.path.startswith("[") else f"{root}.{self.path}".rstrip(".")
        return f"{place}: {self.what}. {self.remedy}"

    def __str__(self) -> str:
        return self.line()


class SpecError(HashistackError, ValueError):
    """A specification that cannot be used. `problems` has every fault found; `str()` is one line for each."""

    def __init__(self, problems: Iterable[Problem], root: str = "spec") -> None:
        self.problems = tuple(problems)
        self.root = root
        super().__init__("\n".join(problem.line(root) for problem in self.problems))


class FieldError(HashistackError, ValueError):
    """Raised by the validator of one field: the field's path and value are added by its section."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what, remedy)


def show(value: Any) -> str:
    """A value as the user wrote it, shortened; never one that looks like a secret."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        if looks_secret(value):
            return "a value that looks like a secret, not shown"
        text = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
        return '"' + "".join(each if each.isprintable() else repr(each)[1:-1] for each in text) + '"'
    if isinstance(value, int | float):
        return repr(value)
    if is_output(value):
        return "a Pulumi output"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(show(each) for each in value[:5]) + (", …]" if len(value) > 5 else "]")
    if isinstance(value, dict):
        keys = [f"{show(key)}: …" for key in list(value)[:5]]  # the values may be anything, secrets included
        return "{" + ", ".join(keys) + "}"
    return f"a {type(value).__name__}"


def is_output(value: Any) -> bool:
    """Whether this is a value that Pulumi knows only while it deploys (told without importing Pulumi)."""
    return any(base.__module__.partition(".")[0] == "pulumi" for base in type(value).__mro__)
