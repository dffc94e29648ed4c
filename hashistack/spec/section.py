"""The base of every part of a specification: strict, frozen, and telling all its problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from hashistack.spec.problems import FieldError, Problem, SpecError, is_output, show
from hashistack.spec.secret_detection import names_secret

T = TypeVar("T")
Many = Annotated[tuple[T, ...], Field(strict=False)]
"""Any list of values, kept as a tuple; each value is still checked strictly."""

_NO_SECRETS = "Remove it: the cluster makes its own keys and tokens; others belong into Pulumi secrets."
_YAML_BOOL = "Quote it: YAML reads yes, no, on and off as true and false."
_YAML_NUMBER = 'Quote it: "1.10" is text, 1.10 is a number.'


class Section(BaseModel):
    """A frozen, strict part of a specification. Bad values raise `SpecError` with every problem found."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    checks: ClassVar[tuple[Check, ...]] = ()
    """Rules over several fields, each with the fields it reads; left out where one of them is itself bad."""
    hints: ClassVar[Mapping[str, str]] = {}
    """What to tell those who write a field that is left out on purpose."""
    stand_in: ClassVar[Mapping[str, Any]] = {}
    """Values for required fields that are missing or bad, so that the remaining ones can still be checked."""

    def __init__(self, /, **data: Any) -> None:
        cls = type(self)
        found: list[Problem] = []
        broken: frozenset[str] = frozenset()
        try:
            super().__init__(**data)
        except ValidationError as error:
            details = error.errors()
            found = [problem for each in details for problem in _explain(each, cls)]
            broken = frozenset(str(each["loc"][0]) for each in details if each["loc"])
            sound = {name: value for name, value in data.items() if name not in broken}
            spare = {name: value for name, value in cls.stand_in.items() if name in broken}
            try:
                super().__init__(**sound, **spare)
            except ValidationError:  # without a required field there is nothing to compare
                raise SpecError(found, cls._root()) from None
        for reads, rule in cls.checks:
            if broken.isdisjoint(reads):
                found.extend(rule(self))
        if found:
            raise SpecError(dict.fromkeys(found), cls._root())

    @classmethod
    def _root(cls) -> str:
        return cls.__name__


Check = tuple[frozenset[str], Callable[[Any], Iterable[Problem]]]


def reads(*fields: str) -> frozenset[str]:
    """The fields that a check of a section looks at."""
    return frozenset(fields)


def join(loc: Iterable[str | int]) -> str:
    """A path as it is written: `clients[0].min`."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":  # pydantic's mark for the key of a mapping, whose path comes before it
            path += f".{part}" if part.replace("_", "a").isalnum() else f"[{show(part)}]"
    return path.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that this one was probably meant to be."""
    from difflib import get_close_matches  # only ever needed for an error

    return next(iter(get_close_matches(word.lower(), sorted(known), n=1)), None)


def _explain(error: ErrorDetails, cls: type[Section]) -> Iterator[Problem]:
    if error["type"] == "default_factory_not_called":
        return  # a consequence of another error in this list
    path, value, cause = join(error["loc"]), error["input"], error.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        yield from (problem.under(path) for problem in cause.problems)
    elif error["type"] == "extra_forbidden":
        yield _unknown(path, str(error["loc"][-1]), value, cls)
    elif error["type"] == "missing":
        yield Problem(path, "is missing", cls.hints.get(str(error["loc"][-1]), "Give it a value."))
    else:
        what, remedy = (cause.what, cause.remedy) if isinstance(cause, FieldError) else _words(error)
        if is_output(value):
            remedy = "Give a plain value; what is known only while deploying belongs to the component's arguments."
        yield Problem(path, f"{what} (got {show(value)})", remedy)


def _unknown(path: str, field: str, value: Any, cls: type[Section]) -> Problem:
    if field in cls.hints:
        return Problem(path, "is not a field of the specification", cls.hints[field])
    if names_secret(field):
        return Problem(path, "is a secret, and the specification holds none", _NO_SECRETS)
    guess = nearest(field, cls.model_fields)
    remedy = f'Did you mean "{guess}"?' if guess else f"Known here: {', '.join(sorted(cls.model_fields))}."
    return Problem(path, f"unknown field (got {show(value)})", remedy)


def _words(error: ErrorDetails) -> tuple[str, str]:
    kind, value, ctx = error["type"], error["input"], error.get("ctx", {})
    if kind == "literal_error":
        expected = ctx["expected"].replace("'", '"')
        guess = nearest(value, expected.split('"')[1::2]) if isinstance(value, str) else None
        remedy = _YAML_BOOL if isinstance(value, bool) else "Write one of these."
        return f"must be {expected}", f'Did you mean "{guess}"?' if guess else remedy
    if kind == "string_type":
        if isinstance(value, bool):
            return "must be text", _YAML_BOOL
        return "must be text", _YAML_NUMBER if isinstance(value, int | float) else "Write it in quotes."
    if kind == "bool_type":
        return "must be true or false", "Write true or false, without quotes."
    if kind.startswith("int_"):
        quoted = isinstance(value, str) and value.strip().lstrip("-").isdigit()
        return (
            "must be a whole number",
            f"Write {value.strip()} without quotes." if quoted else "Write it in digits.",
        )
    limits = {"greater_than_equal": "ge", "less_than_equal": "le"}
    if kind in limits:
        least = kind == "greater_than_equal"
        limit = ctx[limits[kind]]
        return f"must be {'at least' if least else 'at most'} {limit}", f"{'Raise' if least else 'Lower'} it."
    if kind == "tuple_type":
        return "must be a list", "Write the values as a list, [a, b], even if there is only one."
    if kind in {"dict_type", "mapping_type", "model_type", "model_attributes_type"}:
        remedy = "Leave it out for the defaults, or give its fields." if value is None else "Write name: value pairs."
        return "must be a mapping of fields", remedy
    return error["msg"][0].lower() + error["msg"][1:], "Correct it."
