"""Files that processes share: locks, which the kernel drops when a process dies, and texts that are written whole."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Waits until nobody else holds the lock, and holds it."""
    handle = _taken(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def claimed(file: Path) -> Iterator[bool]:
    """Holds the lock where nobody else holds or shares it: answers whether that is so, and waits for nobody."""
    handle = None
    with suppress(BlockingIOError):
        handle = _taken(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def shared(file: Path) -> int:
    """One more user, until the handle is closed or the process ends."""
    return _taken(file, fcntl.LOCK_SH)


def _taken(file: Path, how: int) -> int:
    """The handle of the file with a lock on it. Who removes the file holds its lock: then another one is made."""
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, how)
            if _is(file, handle):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is(file: Path, handle: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def written(file: Path, text: str) -> None:
    """Writes all or nothing: who is killed at it leaves what was there, which can be read."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(file)
