"""The engine's event log condensed: a stream of JSON events in, a handful of lines out. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hashistack import platforms
from hashistack.component.findings import Finding, from_marked
from hashistack.platforms import MACHINES

SHARED: Mapping[str, str] = {
    "hashistack:index:ClusterSecrets": "keys and certificates",
    "hashistack:index:Tools": "tools",
}
"""Resources of every platform that one line stands for; a platform has its own."""
_ORDER = {"keys and certificates": 1, MACHINES: 2}
"""Phases are told in the order of their numbers, 0 for all others."""

_COLOR = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")
_OWN_SECONDS = re.compile(r"\s*\((\d+(?:\.\d+)?) ?s\)$")
_QUIET = frozenset({"same", "read", "refresh"})


@dataclass(frozen=True)
class Line:
    """Something to show.

    kind: `done` (a finished step: stays), `now` (what is going on: replaced by the next), `warning`, `error`.
    seconds: since the start.
    """

    kind: str
    text: str
    seconds: float


@dataclass
class Condenser:
    """Feed it events in order, each with the seconds since the start; it answers with the lines they make."""

    destroying: bool = False
    changes: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    result: str = ""
    _running: dict[str, str] = field(default_factory=dict)
    _phases: dict[str, tuple[int, float]] = field(default_factory=dict)
    _waiting: str = ""
    types: set[str] = field(default_factory=set)
    """Resource types that the stack has, or had."""

    findings: list[Finding] = field(default_factory=list)
    """What preflights have found."""

    def __post_init__(self) -> None:
        self._phase = {**SHARED, **platforms.phases()}
        self._ready = {platform.ready for platform in platforms.every()} - {""}
        # Pools come last: their machines need all that the lines before them stand for.
        self._order = sorted(dict.fromkeys(self._phase.values()), key=lambda phase: _ORDER.get(phase, 0))

    def feed(self, event: Mapping[str, Any], seconds: float) -> Iterator[Line]:
        """The lines that `event` makes, usually none."""
        if step := event.get("resourcePreEvent"):
            yield from self._began(step["metadata"], seconds)
        elif step := event.get("resOutputsEvent"):
            yield from self._ended(step["metadata"], seconds)
        elif step := event.get("resOpFailedEvent"):
            self._running.pop(step["metadata"]["urn"], None)
        elif said := event.get("diagnosticEvent"):
            yield from self._diagnostic(said, seconds)
        elif progress := event.get("progressEvent"):
            yield Line("now", str(progress.get("message", "")), seconds)
        elif summary := event.get("summaryEvent"):
            yield from self._flush(seconds)
            self.changes = {k: v for k, v in (summary.get("resourceChanges") or {}).items() if k not in _QUIET}
            self.result = str(summary.get("result", ""))

    @property
    def current(self) -> str:
        """What is going on now, for a sign of life."""
        if self._waiting:
            return self._waiting
        verb = "removing" if self.destroying else "making"
        names = sorted(self._running.values())
        return f"{verb} {', '.join(names[:3])}{' …' if len(names) > 3 else ''}" if names else "starting"

    def _began(self, step: Mapping[str, Any], seconds: float) -> Iterator[Line]:
        self.types.add(step["type"])
        # Machines need all that the lines before them stand for, and readiness needs the machines.
        if not self.destroying and (step["type"] in self._ready or self._phase.get(step["type"]) == MACHINES):
            yield from self._flush(seconds)
        if step["op"] not in _QUIET and not _component(step):
            self._running[step["urn"]] = _name(step["urn"])
            yield Line("now", self.current, seconds)

    def _ended(self, step: Mapping[str, Any], seconds: float) -> Iterator[Line]:
        if self._running.pop(step["urn"], None) is None:
            return
        if step["type"] in self._ready:
            self._waiting = ""
        phase = self._phase.get(step["type"])
        if phase and (self.destroying or step["op"] != "update" or phase != MACHINES):
            count, _ = self._phases.get(phase, (0, 0.0))
            state = (step.get("new") or step.get("old") or {}).get("outputs") or {}
            self._phases[phase] = (count + int(state.get("count") or 1), seconds)
        if self._running:
            yield Line("now", self.current, seconds)

    def _flush(self, seconds: float) -> Iterator[Line]:
        for phase in self._order:
            if phase in self._phases:
                count, at = self._phases.pop(phase)
                counted = f"{count} {phase}" if phase == MACHINES else phase
                yield Line("done", counted + (" removed" if self.destroying else ""), min(at, seconds))

    def _diagnostic(self, said: Mapping[str, Any], seconds: float) -> Iterator[Line]:
        # Progress carries the seconds of its own wait; the lines have one clock for all.
        text = _OWN_SECONDS.sub("", clean(said["message"]))
        kind = _type(said.get("urn", ""))
        if said["severity"] == "debug":
            if found := from_marked(text):
                self.findings.append(found)
                if found.ok:
                    yield Line("done", f"{found.sentence}: {found.detail}", seconds)
            return
        if not text:
            return
        if said.get("ephemeral"):
            self._waiting = text if kind in self._ready else self._waiting
            yield Line("now", text, seconds)
        elif said["severity"] == "error":
            if text not in self.errors and text not in ("update failed", "destroy failed"):
                self.errors.append(text)
        elif said["severity"] == "warning":
            yield Line("warning", text, seconds)
        elif kind in self._ready or self._phase.get(kind) == MACHINES:
            yield Line("done", text, seconds)


def clean(message: str) -> str:
    """An engine's message without colours and without the wrapping that says nothing to a user."""
    text = _COLOR.sub("", message).strip()
    return text.removeprefix("error: ").strip()


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _type(urn: str) -> str:
    """A resource's type; "" for what concerns the whole stack."""
    parts = urn.split("::")
    return parts[2].rpartition("$")[2] if len(parts) > 3 else ""


def _component(step: Mapping[str, Any]) -> bool:
    return not (step.get("new") or step.get("old") or {}).get("custom", False) or step["type"].startswith("pulumi:")
