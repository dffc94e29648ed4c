"""The VPC's resolver: every name of AWS is at one address, and nothing else exists."""

from __future__ import annotations

import socket
import struct
import threading

_A, _IN = 1, 1
_NO_SUCH_NAME = 3
ZONE = ".amazonaws.com"
"""And not api.aws, whose names answer by IPv6 too: not every region and no private endpoint has them."""


class Resolver:
    """Answers UDP queries on port 53 of `address`; names under `ZONE` have the address `answer`."""

    def __init__(self, address: str, answer: str) -> None:
        self._answer = answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        threading.Thread(target=self._serve, name="dns", daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                query, sender = self._socket.recvfrom(4096)
            except OSError:
                return  # closed
            if answer := reply(query, self._answer):
                self._socket.sendto(answer, sender)


def reply(query: bytes, address: str) -> bytes:
    """One answer to one query: `address` for a name of AWS; nothing to what is no query."""
    if len(query) < 12 or query[2] & 0x80:
        return b""
    labels, place = [], 12
    while query[place]:
        labels.append(query[place + 1 : place + 1 + query[place]].decode("ascii", "replace").lower())
        place += 1 + query[place]
    question = query[12 : place + 5]
    kind, _ = struct.unpack("!HH", question[-4:])
    name = ".".join(labels)
    ours = name.endswith(ZONE)
    answers = [socket.inet_aton(address)] if ours and kind == _A else []
    flags = 0x8580 | (0 if ours else _NO_SUCH_NAME)  # a response, authoritative, recursion available
    header = query[:2] + struct.pack("!HHHHH", flags, 1, len(answers), 0, 0)
    records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", _A, _IN, 60, 4) + data for data in answers)
    return header + question + records
