"""What the command reads and writes, in locales and on terminals that do not know all of its characters."""

from __future__ import annotations

import codecs
import io
import locale
import os
import sys

_PLAIN = {"✓": "+", "✗": "x", "…": "...", "·": "-", "→": "->", "≤": "<=", "—": "-"}
"""Our own marks, for who has ASCII alone."""


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


def read_utf_8() -> None:
    """Files are UTF-8 whatever the locale says: where Python would read them otherwise, it starts again, told so.

    So do the engine's programs and plugins, by the same variable. What the terminal knows stays as it is.
    """
    if sys.flags.utf8_mode or codecs.lookup(locale.getpreferredencoding(False)).name == "utf-8":
        return
    os.environ["PYTHONUTF8"] = "1"
    os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves


def write_anywhere() -> None:
    """Standard output and error take every text from now on: what they can't show is told plainly."""
    codecs.register_error("hashistack-plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="hashistack-plain")
