"""What processes show to everybody who may look at them: argv and environment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

LOOK_SECONDS = 0.05


class Sampler:
    """Collects the argv and environment of this host's processes, machines' included, several times a second.

    Without root it sees other users' argv alone; `test_vault.py` looks at environments in another way too.
    """

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._wanted, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @contextmanager
    def sampling(self) -> Iterator[None]:
        self._wanted.set()
        try:
            yield
        finally:
            self._wanted.clear()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            if not self._wanted.is_set():
                continue
            for place in Path("/proc").glob("[0-9]*"):
                for kind in ("cmdline", "environ"):
                    try:
                        self.seen.add((place / kind).read_bytes())
                    except OSError:
                        continue
