"""A private directory beside what is going to be written, so that it appears at once and whole."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".hashistack-snapshot."


@contextmanager
def workplace(parent: Path) -> Iterator[Path]:
    """A private directory in `parent`, gone at the end; so are those that killed runs left there.

    In `parent`, because a file can be moved at once within one file system alone.
    """
    for left in parent.glob(f"{PREFIX}*"):
        with _held(left) as free:
            if free:
                shutil.rmtree(left)
    place = parent / f"{PREFIX}{os.getpid()}.{os.urandom(4).hex()}"
    place.mkdir(mode=0o700)
    with _held(place):
        try:
            yield place
        finally:
            shutil.rmtree(place)


@contextmanager
def _held(place: Path) -> Iterator[bool]:
    """Whether `place` is nobody's: then it is ours until the end."""
    try:
        handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
