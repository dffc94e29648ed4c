"""Questions that come while unbound's first thread is held. Run in a machine's network.

`python -m tests.machine.many_names SOCKET QUESTIONS` connects to unbound's control socket and says nothing: the thread
that takes commands, and a part of all questions, waits for what is said. Asks so many questions of 127.0.0.1:53 from
each of eight ports meanwhile, lets go, and prints how many were answered.
"""

from __future__ import annotations

import socket
import sys

from bench.dns_message import A, question

PORTS = 8
"""The kernel spreads them over unbound's threads: that all are another's has a chance of 1 in 256."""
SILENCE = 3.0
"""Seconds without an answer, after which none comes any more."""


def main() -> None:
    path, questions = sys.argv[1], int(sys.argv[2])
    askers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(PORTS)]
    with socket.socket(socket.AF_UNIX) as held:
        held.connect(path)
        for asker in askers:
            asker.connect(("127.0.0.1", 53))
            for number in range(questions):
                asker.send(question(number, "localhost", A))
    answered = 0
    for asker in askers:
        asker.settimeout(SILENCE)
        try:
            for _ in range(questions):
                asker.recv(512)
                answered += 1
        except TimeoutError:
            pass
    print(answered)


if __name__ == "__main__":
    main()
