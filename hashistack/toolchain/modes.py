"""Modes of what machines run: every user there reads and runs it, whatever the umask was that it was written under."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path


def is_shared(place: Path) -> bool:
    """Whether `place` is there and every user may read all of it, and enter and run what its owner may."""
    return place.exists() and all(_mode(path) & _shared(path) == _shared(path) for path in _all(place))


def share(place: Path) -> None:
    """Give every user what `is_shared` asks for. Raises OSError where a file is somebody else's."""
    for path in _all(place):
        if (mode := _mode(path)) & (wanted := _shared(path)) != wanted:
            path.chmod(mode | wanted)


def _all(place: Path) -> Iterator[Path]:
    yield place
    if place.is_dir():
        yield from (path for path in place.rglob("*") if not path.is_symlink())


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _shared(path: Path) -> int:
    return 0o555 if path.is_dir() or _mode(path) & 0o100 else 0o444
