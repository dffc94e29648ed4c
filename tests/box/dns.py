"""A cloud's resolver: its names are where the test has them, and nothing else exists."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping

_A, _IN = 1, 1
_NO_SUCH_NAME = 3


class Resolver:
    """Answers UDP queries on port 53 of `address`.

    zones: a name, or with a leading dot the names under it, to the address that it has; the first that fits counts.
    """

    def __init__(self, address: str, zones: Mapping[str, str]) -> None:
        self._zones = zones
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
            if answer := reply(query, self._zones):
                self._socket.sendto(answer, sender)


def reply(query: bytes, zones: Mapping[str, str]) -> bytes:
    """One answer to one query: the address of a name in `zones`; nothing to what is no query."""
    if len(query) < 12 or query[2] & 0x80:
        return b""
    labels, place = [], 12
    while query[place]:
        labels.append(query[place + 1 : place + 1 + query[place]].decode("ascii", "replace").lower())
        place += 1 + query[place]
    question = query[12 : place + 5]
    kind, _ = struct.unpack("!HH", question[-4:])
    name = ".".join(labels)
    address = next((at for zone, at in zones.items() if name == zone or (zone[0] == "." and name.endswith(zone))), None)
    answers = [socket.inet_aton(address)] if address and kind == _A else []
    flags = 0x8580 | (0 if address else _NO_SUCH_NAME)  # a response, authoritative, recursion available
    header = query[:2] + struct.pack("!HHHHH", flags, 1, len(answers), 0, 0)
    records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", _A, _IN, 60, 4) + data for data in answers)
    return header + question + records
