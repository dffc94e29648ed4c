"""What stores of snapshot archives on clouds share: an archive is looked at without fetching it whole."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_LOOK = 1 << 16
"""What one request reads of an archive that is looked at: its manifest, in most of them."""


@dataclass(frozen=True)
class Stored:
    """An object: its key, and its size in bytes."""

    key: str
    size: int


def prefix(key: str) -> str:
    """What the keys of archives under `key` begin with."""
    return f"{key.rstrip('/')}/" if key else ""


def by_ranges(size: int, fetch: Callable[[int, int], bytes]) -> io.BufferedReader[Any]:
    """An object of so many bytes as a file; `fetch` answers its bytes from the first of two numbers to the second."""
    return io.BufferedReader(_Part(size, fetch), _LOOK)


class _Part(io.RawIOBase):
    """An object that is read by ranges."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self._size, self._fetch, self._at = size, fetch, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        said = self._fetch(self._at, self._at + wanted - 1)
        buffer[: len(said)] = said
        self._at += len(said)
        return len(said)
