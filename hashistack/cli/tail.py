"""Several logs at once, each by the vendor's own command, line by line."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, NamedTuple, cast

from hashistack.cli.errors import Refusal
from hashistack.ops.api.allocations import Allocation


class Stream(NamedTuple):
    """A task of an allocation; `label` names both for people."""

    allocation: str
    task: str
    label: str


def streams(allocations: Sequence[Allocation], task: str | None, *, strict: bool = True) -> list[Stream]:
    """The tasks of allocations that have begun, or `task` alone, in the order of their names.

    Raises Refusal where none has such a task, if `strict`.
    """
    found = [
        Stream(one.id, each, f"{one.name.partition('.')[2] or one.name} {one.id[:8]} {each}")
        for one in sorted(allocations, key=lambda one: one.name)
        for each in sorted(one.events)
        if task in (None, each)
    ]
    if strict and not found:
        there = sorted({each for one in allocations for each in one.events})
        raise Refusal(f"there is no task {task}, only {', '.join(there)}")
    return found


class Tail:
    """Shows the lines of streams as they come, with labels where there are several. Use as a context: it ends them.

    Args:
        command: all but allocation and task. environment: of it. lines: the last ones of each; 0: all.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], lines: int) -> None:
        self._command, self._environment, self._lines = command, environment, lines
        self._seen: set[tuple[str, str]] = set()
        self._running: list[tuple[subprocess.Popen[bytes], threading.Thread]] = []
        self._one_line = threading.Lock()

    def __enter__(self) -> Tail:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, reader in self._running:
            process.terminate()
            process.wait()
            reader.join()

    def start(self, stream: Stream, *, alone: bool = False, from_begin: bool = False) -> None:
        """Show one that is not shown yet. alone: without a label. from_begin: all its lines."""
        if (stream.allocation, stream.task) in self._seen:
            return
        self._seen.add((stream.allocation, stream.task))
        last = [] if from_begin or not self._lines else ["-tail", f"-n={self._lines}"]
        command = [*self._command, *last, f"-task={stream.task}", stream.allocation]
        process = subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = cast("IO[bytes]", process.stdout)
        reader = threading.Thread(target=self._show, args=(said, "" if alone else f"{stream.label} | "), daemon=True)
        reader.start()
        self._running.append((process, reader))

    def wait(self) -> None:
        """Until all have ended."""
        for process, reader in self._running:
            reader.join()
            process.wait()

    def _show(self, said: IO[bytes], label: str) -> None:
        with said:
            for line in said:
                with self._one_line:
                    sys.stdout.write(label + line.decode("utf-8", "replace").rstrip("\n") + "\n")
                    sys.stdout.flush()
