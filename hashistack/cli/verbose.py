"""`--verbose`: the call log on standard error, of this command and of the engine's plugin, which it starts."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from hashistack import call_log
from hashistack.home import expanded

_END = b"\x04"


def follow() -> None:
    """From here to the end of this process, what goes to the call log is shown, and kept where it was kept before."""
    kept = os.environ.get(call_log.VARIABLE)
    private = tempfile.mkdtemp(prefix="hashistack-")
    # A pipe with a name: the engine starts the plugin, and hands on no open file.
    pipe = Path(private, "calls")
    os.mkfifo(pipe, 0o600)
    both = os.open(pipe, os.O_RDWR)  # it never ends while we hold it
    os.environ[call_log.VARIABLE] = str(pipe)
    showing = threading.Thread(target=_show, args=(both, kept), daemon=True)
    showing.start()

    def end() -> None:
        os.write(both, _END + b"\n")
        showing.join(1)
        shutil.rmtree(private, ignore_errors=True)

    atexit.register(end)
    call_log.start()


def _show(pipe: int, kept: str | None) -> None:
    file = os.open(expanded(kept), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if kept else None
    with os.fdopen(pipe, "rb", closefd=False) as lines:
        for line in lines:
            if line.startswith(_END):
                return
            sys.stderr.write(line.decode(errors="replace"))
            sys.stderr.flush()
            if file is not None:
                os.write(file, line)
