"""A name that its servers answer late, asked of the resolver at 127.0.0.1:53. Run in a machine's network.

`python -m tests.machine.late_names SECONDS NAME SERVER...` stands in for the servers (port 8600), which answer nothing
in the SECONDS after the first question. Prints the address that the resolver gives.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time

from bench.dns_message import A, answers, question

PATIENCE = 5.0
"""Seconds that a libc waits for its resolver."""
ADDRESS = "192.0.2.9"


def reply(asked: bytes) -> bytes:
    """The answer to a question for an address."""
    end = asked.index(b"\0", 12) + 5
    record = struct.pack(">3HIH", 0xC00C, A, 1, 0, 4) + socket.inet_aton(ADDRESS)
    return asked[:2] + struct.pack(">5H", 0x8400, 1, 1, 0, 0) + asked[12:end] + record


def main() -> None:
    seconds, name, *addresses = sys.argv[1:]
    servers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
    for server, address in zip(servers, addresses, strict=True):
        server.bind((address, 8600))
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.connect(("127.0.0.1", 53))
    begun = time.monotonic()
    resolver.send(question(1, name, A))
    answers_from = 0.0
    while (left := begun + PATIENCE - time.monotonic()) > 0:
        for ready in select.select([resolver, *servers], [], [], left)[0]:
            if ready is resolver:
                print(f"{time.monotonic() - begun:.2f} s: {answers(resolver.recv(4096))[1] or 'no answer in it'}")
                return
            asked, asker = ready.recvfrom(4096)
            answers_from = answers_from or time.monotonic() + float(seconds)
            if time.monotonic() >= answers_from:
                ready.sendto(reply(asked), asker)
    print(f"nothing within {PATIENCE:.0f} s")


if __name__ == "__main__":
    main()
