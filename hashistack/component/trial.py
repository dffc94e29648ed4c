"""What a smoke run of an account says: the timeline of one machine, and what held, as a report. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from hashistack.component.findings import Finding

_ACCOUNT = re.compile(r"\b\d{12}\b")


@dataclass(frozen=True)
class Event:
    """at: seconds of the epoch, by the clock of who saw it. source: where it was seen."""

    at: float
    source: str
    what: str


@dataclass
class Timeline:
    """What was seen, each once. Whoever looks again and again tells the same until it changes."""

    events: list[Event] = field(default_factory=list)
    _last: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, at: float, source: str, what: str) -> None:
        self.events.append(Event(at, source, what))

    def state(self, at: float, source: str, thing: str, state: str) -> None:
        """`thing` is in this state; noted where it was in another one before."""
        if self._last.get((source, thing)) != state:
            self._last[source, thing] = state
            self.note(at, source, f"{thing} {state}".strip())

    def now(self, source: str, thing: str) -> str:
        """The state in which `thing` was seen last; "" where it never was."""
        return self._last.get((source, thing), "")

    def first(self, source: str, what: str, after: float = 0.0) -> float | None:
        """When something that begins so was seen first, from `after` on; None: never."""
        found = [one.at for one in self.events if one.source == source and one.what.startswith(what)]
        return min((at for at in found if at >= after), default=None)

    def last(self, source: str, what: str) -> float:
        """When something that begins so was seen last; 0: never."""
        return max((one.at for one in self.events if one.source == source and one.what.startswith(what)), default=0.0)

    def ordered(self) -> list[Event]:
        return sorted(self.events, key=lambda one: one.at)


class Trial(Protocol):
    """One run in an account: a stack of its own, whose machine is watched."""

    program: str
    """The dotted name of the module whose `declare` is the stack's program."""
    price: str
    """What it makes, and what that costs."""
    region: str
    timeline: Timeline

    def watching(self) -> AbstractContextManager[None]:
        """Looks at the account, beside the `up` or the `down` that is within."""

    def go(self, say: Callable[[str], None]) -> Iterator[Finding]:
        """The machine's life after the `up`, to its termination: what is found, and what begins. Raises HashistackError
        where it can't go on."""

    def left(self) -> Sequence[str]:
        """What the account has of the run after its `down`, one text each. Raises HashistackError."""


@dataclass(frozen=True)
class Report:
    """what: facts of the run, by what they are called. findings: what held; ok True alone counts as held."""

    what: Mapping[str, str]
    timeline: Timeline
    findings: Sequence[Finding]

    @property
    def held(self) -> bool:
        return bool(self.findings) and all(one.ok is True for one in self.findings)

    def data(self) -> dict[str, Any]:
        """For programs."""
        events = self.timeline.ordered()
        begun = events[0].at if events else 0.0
        return {
            "held": self.held,
            "run": {name: _told(value) for name, value in self.what.items()},
            "findings": [
                {"sentence": one.sentence, "ok": one.ok, "detail": _told(one.detail), "means": _told(one.remedy)}
                for one in self.findings
            ],
            "timeline": [
                {"second": round(one.at - begun), "source": one.source, "what": _told(one.what)} for one in events
            ],
        }

    def markdown(self) -> str:
        """To be attached to an issue: it has no account's number, no secret and no token."""
        said = self.data()
        lines = ["# hashistack smoke --account", ""]
        lines += [f"- {name}: {value}" for name, value in said["run"].items()]
        lines += ["", "All of it held." if self.held else "**Not all of it held.**", "", "## What held", ""]
        for one in said["findings"]:
            mark = {True: "held", False: "**did not hold**", None: "**not known**"}[one["ok"]]
            means = f". {one['means']}" if one["means"] and one["ok"] is not True else ""
            lines.append(f"- {mark}: {one['sentence']}: {one['detail']}{means}")
        lines += ["", "## Timeline", "", *_table(said["timeline"])]
        return "\n".join(lines) + "\n"


def _table(events: Iterable[Mapping[str, Any]]) -> list[str]:
    rows = [f"| {one['second']} | {one['source']} | {_cell(one['what'])} |" for one in events]
    return [
        "Seconds since the first look, each some 2 s after the last. A machine's lines are by its own clock.",
        "",
        "| s | seen in | what |",
        "|---|---|---|",
        *rows,
    ]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _told(text: str) -> str:
    """Without the account's number, which ARNs and AWS's own messages have."""
    return _ACCOUNT.sub("(account)", text)


def day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
