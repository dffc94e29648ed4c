"""Runs a program, in the process group that this one leads, until it ends or standard input does; then ends the group.

Who started it may be killed in any way: the kernel closes his end of the pipe. Run by its path, with the standard
library alone: `python tether.py PROGRAM ARGUMENT...`.
"""

import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 3.0
"""For the program to end as by Ctrl-C, so that the cloud hears of the session's end too."""


def main() -> None:
    """Ends by a signal of its own in any case, and with it what the program has started."""
    # Caught, a signal is an exec's default again; as somebody left it, it may be ignored.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error.strerror}")
    threading.Thread(target=_end_with_input, daemon=True).start()
    program.wait()
    os.killpg(0, signal.SIGKILL)


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGINT)
    threading.Event().wait(GRACE_SECONDS)  # else the other thread is first
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
