"""The root of all our errors, and which of the system's are no fault of ours."""

from __future__ import annotations

import errno
from collections.abc import Mapping

_ROOM = "make room there, then repeat"
_RIGHT = "give this user the right to it, then repeat"

_SYSTEM: Mapping[int, str] = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EACCES: _RIGHT,
    errno.EPERM: _RIGHT,
    errno.EROFS: "make it writable, or work in another directory, then repeat",
    errno.EMFILE: "raise the limit of open files (`ulimit -n 4096`), then repeat",
    errno.ENFILE: "close programs with many open files, then repeat",
    errno.ENOMEM: "stop something, then repeat",
    errno.EIO: "look at the disk and the kernel's log (`dmesg`)",
}
"""What this machine refuses, to what to do about it. Anything else that the system says is for us to foresee."""


class HashistackError(Exception):
    """What a user reads when something can't go on: what is wrong, and the next thing to do.

    Only these reach a user as a text; any other exception is a bug of ours and shows its trace.

    Args:
        what: what is wrong and where, without a full stop at the end.
        remedy: a command or a short instruction, "" where there is none.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what, self.remedy = what, remedy

    def __str__(self) -> str:
        if not self.remedy:
            return self.what
        # A report of several lines keeps its form.
        return self.what + ("\n" if "\n" in self.what else f"{'' if self.what.endswith('.') else '.'} ") + self.next

    @property
    def next(self) -> str:
        """The remedy as it is shown, "" where there is none."""
        return f"Next: {self.remedy}" if self.remedy else ""


def expected(error: BaseException) -> HashistackError | None:
    """The error as a user is told it: ours, or what the system refuses, as a full disk does. None for a bug of ours."""
    if isinstance(error, HashistackError):
        return error
    if isinstance(error, OSError) and error.errno is not None and error.errno in _SYSTEM:
        place = f"{error.filename}: " if error.filename else ""
        return HashistackError(f"{place}{error.strerror}", _SYSTEM[error.errno])
    return None


def told(error: Exception) -> str:
    """Any error in a line for a summary, by who goes on after it: a bug of ours says its kind."""
    return str(expected(error) or f"{type(error).__name__}: {error}")
