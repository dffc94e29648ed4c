"""One progress line per tool that never falls silent."""

import threading
import time
from types import TracebackType
from typing import Final, Self

from hashistack.toolchain.tool import Progress

_EVERY: Final = 2.0  # seconds; a reader starts to wonder after five


class Ticker:
    """Repeats through `progress`, every two seconds, what is being done and for how long.

    Each call gets one line such as "nomad 1.11.3 linux/amd64: compiling, 42 s". Without `progress`: silent.
    """

    def __init__(self, subject: str, progress: Progress | None) -> None:
        self._subject = subject
        self._progress = progress
        self._doing = ""
        self._started = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        if self._progress:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def doing(self, what: str) -> None:
        """Say at once that `what` has begun."""
        self._doing = what
        self._say()

    def note(self, what: str) -> None:
        """What the next tick says; for figures that change many times a second."""
        self._doing = what

    def _tick(self) -> None:
        while not self._done.wait(_EVERY):
            self._say()

    def _say(self) -> None:
        if self._progress and self._doing:
            seconds = time.monotonic() - self._started
            self._progress(f"{self._subject}: {self._doing}, {seconds:.0f} s")
