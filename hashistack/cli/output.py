"""How lines reach the user: a live line on a terminal, plain lines elsewhere, or one JSON object a line."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from enum import StrEnum
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.status import Status

from hashistack.cli.events import Line

SILENCE_SECONDS = 30.0
"""Without a terminal, a sign of life this often between the lines of steps; a terminal has a live line."""
TICK_SECONDS = 0.2

_NUMBERS = re.compile(r"[\d.]+")
_MARKS = {"done": "✓", "warning": "!", "error": "✗"}


def sparing(say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> Callable[[str], None]:
    """`say` for work that tells every two seconds how far it is: what begins at once, and then each SILENCE_SECONDS.

    Texts that differ in their numbers alone tell of the same work.
    """
    told, at = "", 0.0

    def progress(text: str) -> None:
        nonlocal told, at
        work = _NUMBERS.sub("", text)
        if work != told or clock() - at >= SILENCE_SECONDS:
            told, at = work, clock()
            say(text)

    return progress


class Output(StrEnum):
    """How a command answers: text for people, JSON for programs."""

    TEXT = "text"
    JSON = "json"


class Show:
    """Shows `Line`s. With `Output.JSON` it writes NDJSON to standard output and nothing else."""

    def __init__(self, output: Output, console: Console | None = None) -> None:
        self.output = output
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._shown_at = 0.0
        self._now = ""
        self._writing = threading.Lock()

    def __enter__(self) -> Show:
        if self.output is Output.TEXT and self.console.is_terminal:
            self._status = self.console.status(
                "starting", spinner="dots" if self.console.encoding.startswith("utf") else "line"
            )
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()
            self._status = None

    def line(self, line: Line) -> None:
        """Show a line; one of kind `now` only as the live line, or after a silence."""
        if self.output is Output.JSON:
            # What is merely going on is for people: programs get it at the same pace.
            if line.kind == "now":
                self._now = line.text
            else:
                self._json({"event": line.kind, **asdict(line)}, line.seconds)
        elif line.kind == "now":
            self._now = line.text
        else:
            self._shown_at = line.seconds
            self._now = ""
            text = line.text.replace("\n", "\n   ")
            self.console.print(f" {_MARKS[line.kind]} {text:<72} {line.seconds:6.1f}s", markup=False)

    def idle(self, seconds: float, current: str) -> None:
        """Called often while nothing happens: keeps the clock running, and breaks a silence."""
        now = self._now or current
        if self._status:
            from rich.text import Text

            room = max(20, self.console.width - 14)
            self._status.update(Text(f"{now[:room]}  {seconds:.0f}s"))
        elif seconds - self._shown_at >= SILENCE_SECONDS:
            self._shown_at = seconds
            if self.output is Output.JSON:
                self._json({"event": "now", "kind": "now", "text": now, "seconds": round(seconds, 1)}, seconds)
            else:
                self.console.print(f"   … {now} {seconds:.0f}s", markup=False)

    @contextmanager
    def alive(self, began: float) -> Iterator[None]:
        """Keeps the clock running beside work that calls nobody back meanwhile. began: its `time.monotonic()`."""
        over = threading.Event()

        def tick() -> None:
            with suppress(BrokenPipeError):  # told by what the work itself says next
                while not over.wait(TICK_SECONDS):
                    self.idle(time.monotonic() - began, "looking")

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield
        finally:
            over.set()
            ticker.join()

    def event(self, data: dict[str, Any]) -> None:
        """One object for programs, as it is."""
        # In one piece, also beside the thread that keeps the clock running.
        with self._writing:
            sys.stdout.write(json.dumps(data) + "\n")
            sys.stdout.flush()

    def say(self, text: str) -> None:
        """A remark outside the clock."""
        if self.output is Output.JSON:
            self.event({"event": "say", "text": text})
        else:
            self.console.print(f"   {text}", markup=False)

    def data(self, data: dict[str, Any], text: str) -> None:
        """What is found on the way: `data` for programs, `text` for people."""
        if self.output is Output.JSON:
            self.event(data)
        else:
            self.console.print(text, markup=False)

    def result(self, data: dict[str, Any], text: str) -> None:
        """The last word: `data` for programs, `text` for people."""
        self.data({"event": "result", **data}, text)

    def _json(self, data: dict[str, Any], seconds: float) -> None:
        self._shown_at = seconds
        data.pop("kind", None)
        data["seconds"] = round(data["seconds"], 1)
        self.event(data)
