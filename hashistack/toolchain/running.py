"""Long commands: their output goes to a log, and they end when we do."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_TAIL: Final = 12  # lines of the log that a failure shows


class Failed(Exception):
    """The command's exit code, the end of its output and where the whole of it is."""


def run(
    command: Sequence[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run to the end with output in `log`. Raises Failed; an exception ends the command and its children."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
        try:
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
    if code:
        tail = "".join(f"\n    {line}" for line in log.read_text(errors="replace").splitlines()[-_TAIL:])
        raise Failed(
            f"`{Path(command[0]).name} {command[1]}` ended with {code} (all of it: {log}):{tail}\n   "
        )
