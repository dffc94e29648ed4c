"""The user's home directory, which a process in a container may not have."""

from __future__ import annotations

from pathlib import Path

from hashistack.errors import HashistackError


def home() -> Path:
    """The home directory. Raises HashistackError where neither HOME nor the passwd database names one."""
    return expanded("~")


def expanded(path: str | Path) -> Path:
    """The path with its `~` or `~user` filled in. Raises HashistackError where nothing says what that is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise HashistackError(
            f"{path}: this user has no home directory: HOME is not set, and no passwd entry names one",
            "export HOME=DIR, a directory that this user may write to",
        ) from None
