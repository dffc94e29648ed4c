"""The call log: each request to an API, each verb to Docker and each process that ours start, one a line.

It says what was asked, how it ended and how long it took, and never what was sent or answered: no line holds a
secret. It is off until HASHISTACK_LOG names a file.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from hashistack.errors import HashistackError
from hashistack.home import expanded

if TYPE_CHECKING:
    import logging

VARIABLE = "HASHISTACK_LOG"
"""The environment variable with the file to which every process of ours appends."""

_log: logging.Logger | None = None
_handler: logging.StreamHandler[Any] | None = None


def start() -> None:
    """Begin, where HASHISTACK_LOG names a file; one that is made is private. Once more: go on where it says now.

    Raises HashistackError for a file that can't be written.
    """
    global _log, _handler
    if not (name := os.environ.get(VARIABLE)):
        return
    import logging

    file = expanded(name).absolute()
    os.environ[VARIABLE] = str(file)  # for the engine and its plugin, which work in the project's directory
    try:
        opened = os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a")
    except OSError as error:
        raise HashistackError(f"{VARIABLE}: {file}: {error.strerror}", "name a file that can be written") from None

    class Handler(logging.StreamHandler[Any]):
        def handleError(self, record: logging.LogRecord) -> None:
            """A log that can't be written any more stops nothing."""

    handler = Handler(opened)
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03dZ %(process)d %(message)s", "%Y-%m-%dT%H:%M:%S"))
    handler.formatter.converter = time.gmtime  # type: ignore[union-attr]
    stop()
    _hook_once()
    _log = logging.getLogger("hashistack.calls")
    _log.propagate = False
    _log.setLevel(logging.INFO)
    _log.addHandler(handler)
    _handler = handler


def stop() -> None:
    """Write nothing down any more."""
    global _log, _handler
    if _log and _handler:
        _log.removeHandler(_handler)
        _handler.stream.close()
    _log = _handler = None


@cache
def _hook_once() -> None:
    sys.addaudithook(_process)  # nobody takes one back


def is_on() -> bool:
    """Whether calls are written down."""
    return _log is not None


def note(system: str, asked: str, outcome: object, seconds: float) -> None:
    """Write one call down. system: who was asked. asked: verb and path. outcome: a status, or why there is none."""
    if _log:
        _log.info("%s %s %s %.0f ms", system, asked, outcome, seconds * 1000)


@contextmanager
def call(system: str, asked: str) -> Iterator[Callable[[object], None]]:
    """Around one call. Give its outcome to what this answers; without, it is `ok`, or the exception's name."""
    outcome: list[object] = []
    began = time.monotonic()
    try:
        yield outcome.append
    except BaseException as error:
        outcome.append(type(error).__name__)
        raise
    finally:
        note(system, asked, outcome[0] if outcome else "ok", time.monotonic() - began)


def _process(event: str, said: Sequence[Any]) -> None:
    if event == "subprocess.Popen" and _log:
        words = [said[1]] if isinstance(said[1], str | bytes | os.PathLike) else said[1]
        _log.info("process %s", shlex.join(os.fsdecode(word) for word in words))
