"""A DNS load client in one thread: sixteen questions are always under way. Prints JSON.

`python -m bench.udp_client NAME PORT SECONDS`, on 127.0.0.1. It takes CPU itself, on the machine that it measures:
compare its figures with one another only.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

from bench.dns_message import A, question

WINDOW = 16
PATIENCE = 2.0
"""Seconds after which a question counts as lost."""


def main() -> None:
    """Ask until the time is over, then say how it went."""
    name, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.connect(("127.0.0.1", port))
        latencies: list[float] = []
        waiting: dict[int, float] = {}
        failed = number = 0
        started = time.monotonic()
        while (now := time.monotonic()) < started + seconds:
            while len(waiting) < WINDOW:
                number = (number + 1) % 65536
                waiting[number] = time.monotonic()
                wire.send(question(number, name, A))
            if not select.select([wire], [], [], 0.05)[0]:
                lost = [asked for asked, at in waiting.items() if now - at > PATIENCE]
                failed += len(lost)
                for asked in lost:
                    del waiting[asked]
                continue
            reply = wire.recv(4096)
            identity, flags, _, answers = struct.unpack(">4H", reply[:8])
            at = waiting.pop(identity, None)
            if at is None:
                continue
            latencies.append(time.monotonic() - at)
            failed += flags & 0xF != 0 or answers == 0
        took = time.monotonic() - started
    latencies.sort()
    p99 = latencies[int(len(latencies) * 0.99)] * 1000 if latencies else 0.0
    print(json.dumps({"per_second": len(latencies) / took, "p99_ms": p99, "failed": failed}))


if __name__ == "__main__":
    main()
