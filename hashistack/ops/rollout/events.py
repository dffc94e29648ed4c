"""What happens during a rollout, as values: one JSON object a line, the same that `-o json` prints.

The executor makes them, the report draws them. A file may hold the events of several runs, one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

from hashistack.errors import HashistackError

Life = Literal["booting", "healthy", "voter", "draining", "leaving", "gone", "unhealthy"]
"""A machine's state: healthy is a client in service, or a server that is not a voter in all three yet."""

Progress = Literal["begun", "done", "failed"]
Product = Literal["nomad", "consul", "vault"]
Value = TypeVar("Value")


class EventInvalid(HashistackError, ValueError):
    """An object is no event of a rollout; the text says where, what is wrong and what is wanted."""


@dataclass(frozen=True)
class Event:
    """Something that happened at `at`, in seconds since 1970."""

    kind: ClassVar[str]

    at: float

    def as_json(self) -> dict[str, Any]:
        """Plain data that `parse` takes."""
        return {"event": self.kind, **asdict(self)}


@dataclass(frozen=True)
class RolloutEvent(Event):
    """A run of the command begins.

    changes: what it is going to change, a sentence each. bundles: pool to the digest that its machines are to have.
    """

    kind = "rollout"

    cluster: str
    changes: tuple[str, ...] = ()
    bundles: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MachineEvent(Event):
    """A machine is in `state` from now on. bundle: the digest that it boots, or has booted, from."""

    kind = "machine"

    machine: str
    pool: str
    state: Life
    bundle: str = ""


@dataclass(frozen=True)
class StepEvent(Event):
    """A step of the plan; `text` names it, and is the same when it begins and ends. seconds: 0 when it begins."""

    kind = "step"

    text: str
    state: Progress
    seconds: float = 0.0


@dataclass(frozen=True)
class LeaderEvent(Event):
    """`machine` leads `product` from now on."""

    kind = "leader"

    product: Product
    machine: str


@dataclass(frozen=True)
class NoticeEvent(Event):
    """Something that is worth knowing, and stops nothing."""

    kind = "notice"

    text: str


@dataclass(frozen=True)
class ResultEvent(Event):
    """A run has ended. replaced: how many machines it replaced."""

    kind = "result"

    ok: bool
    text: str
    seconds: float
    replaced: int = 0


_KINDS: Mapping[str, type[Event]] = {
    each.kind: each for each in (RolloutEvent, MachineEvent, StepEvent, LeaderEvent, NoticeEvent, ResultEvent)
}


def parse(data: Any) -> Event | None:
    """An event from plain data; None for an event of another kind, which other readers may want.

    Raises:
        EventInvalid: a field is missing or is not what it should be.
    """
    if not isinstance(data, Mapping):
        raise EventInvalid(f"an event is a JSON object, not {type(data).__name__}")
    event = _KINDS.get(str(data.get("event")))
    return None if event is None else checked(event, data, f"event {event.kind}")


def checked(kind: type[Value], data: Mapping[str, Any], where: str) -> Value:
    """A value of the dataclass `kind` from plain data. Fields with a default may be missing, others may be more.

    Raises:
        EventInvalid: names `where`, the field, and what it should be.
    """
    given: dict[str, Any] = {}
    hints = get_type_hints(kind)
    for each in fields(kind):  # type: ignore[arg-type]
        if each.name in data:
            given[each.name] = _value(hints[each.name], data[each.name], f"{where}: {each.name}")
        elif each.default is each.default_factory:  # both MISSING: there is no default
            raise EventInvalid(f"{where}: {each.name} is missing")
    return kind(**given)


def _value(wanted: Any, found: Any, where: str) -> Any:
    choices = get_args(wanted)
    if wanted is float and isinstance(found, int | float) and not isinstance(found, bool):
        return float(found)
    if choices and choices[-1] is Ellipsis and isinstance(found, list | tuple):
        return tuple(_value(choices[0], each, where) for each in found)
    if get_origin(wanted) is Mapping:
        if isinstance(found, Mapping):
            return {str(key): _value(choices[1], each, where) for key, each in found.items()}
        raise EventInvalid(f"{where} is {found!r}; it should be an object")
    if get_origin(wanted) is Literal:
        if found in choices:
            return found
        raise EventInvalid(f"{where} is {found!r}; it can be {', '.join(map(str, choices))}")
    if wanted in (str, int, bool) and type(found) is wanted:
        return found
    name = "a list" if choices else {float: "a number", int: "an integer", bool: "true or false"}.get(wanted, "a text")
    raise EventInvalid(f"{where} is {found!r}; it should be {name}")


def objects(lines: Iterable[str], where: str) -> list[tuple[str, Any]]:
    """The JSON objects of an NDJSON file, each with its place (`where`, line 3).

    A line that a killed writer cut short is passed over: it begins with a brace and is no JSON.

    Raises:
        EventInvalid: a line is something else.
    """
    found: list[tuple[str, Any]] = []
    for number, line in enumerate(lines, 1):
        place = f"{where}, line {number}"
        try:
            if line.strip():
                found.append((place, json.loads(line)))
        except ValueError:
            if not line.lstrip().startswith("{"):
                raise EventInvalid(f"{place} is not JSON; it should be one JSON object a line") from None
    return found


def read(lines: Iterable[str], where: str = "events") -> list[Event]:
    """The events of an NDJSON file, in the order of the file.

    Raises:
        EventInvalid: names `where`, the line, and what is wrong.
    """
    found = []
    for place, data in objects(lines, where):
        try:
            found.append(parse(data))
        except EventInvalid as error:
            raise EventInvalid(f"{place}: {error}") from None
    return [event for event in found if event is not None]
