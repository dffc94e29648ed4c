"""Long commands: their output goes to a log, and a failure shows its end."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hashistack.errors import HashistackError

_TAIL: Final = 12  # lines of the log that a failure shows


class Failed(HashistackError):
    """The command's exit code, the end of its output and where the whole of it is."""


def run(command: Sequence[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run to the end with output in `log`. Raises Failed. An interrupted terminal ends it with us."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        try:
            ran = subprocess.run(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=cwd, env=env)
        except OSError as error:
            raise Failed(f"`{command[0]}` cannot be run: {error.strerror}") from None
    if ran.returncode:
        tail = "".join(f"\n    {line}" for line in log.read_text(errors="replace").splitlines()[-_TAIL:])
        raise Failed(f"`{' '.join(command[:2])}` ended with {ran.returncode} (all of it: {log}):{tail}\n   ")
