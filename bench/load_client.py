"""Requests at a fixed rate from inside a machine's network. Prints a JSON object for each second.

`python -m bench.load_client FROM PID NAME PORT PATH PREFIX RATE [SECONDS]`, by `nsenter --net --target PID`. Each
request resolves `SRV NAME` through the machine's own resolver at 127.0.0.1:PORT, and the address of what it names,
opens a new connection, and wants status 200 and a body that begins with PREFIX. Nothing is tried again. It begins when
the name is answered, and ends before its machine does: when the machine is told to go, when PID is gone, on SIGTERM,
or after SECONDS.

The loop is open: requests are due at fixed times, whatever became of those before, and a latency counts from the time
at which its request was due. One thread and no library, because it shares its cores with what it measures.
"""

from __future__ import annotations

import json
import math
import random
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.dns_message import SRV, A, answers, question

PATIENCE = 5.0
"""Seconds for each of the name, the connection, and the answer: HTTP clients' usual default. One that a full queue of
connections turns away is asked for again by the kernel after 1 s, and after 2 s more."""

LOOK_SECONDS = 0.05
"""Between two looks at whether the machine is told to go."""

WAIT_SECONDS = 0.1
"""Between two questions for a name that is not answered yet."""

KEPT_BYTES = 8 << 20
"""What the kernel keeps of answers that this process has no core to read.

One socket asks for the names of all requests. Linux' 208 KiB hold some 160 answers, 1.5 s of 100 requests a second; it
drops the rest, which nobody lost but this client.
"""
_SO_RCVBUFFORCE = 33  # beyond net.core.rmem_max; Python has no name for it


def complete(got: bytes) -> bool:
    """Whether an answer is as long as it says; one that does not say ends with its connection."""
    head, ended, body = got.partition(b"\r\n\r\n")
    _, found, length = head.lower().partition(b"\r\ncontent-length:")
    return bool(ended and found) and len(body) >= int(length.split(None, 1)[0])


@dataclass(eq=False)
class Request:
    """One request under way. until: when it has waited too long for what it waits for now."""

    due: float
    second: int
    until: float = 0.0
    stage: str = "name"
    number: int = 0
    port: int = 0
    wire: socket.socket | None = None
    got: bytes = b""


@dataclass
class Record:
    """What became of the requests that were due in one second."""

    requests: int = 0
    open: int = 0
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def there(path: Path) -> bool:
    """Whether it exists; below a process that ends meanwhile, nothing does."""
    try:
        path.stat()
    except OSError:
        return False
    return True


class Client:
    """The loop. `run` returns when everything that was asked is told."""

    def __init__(self, sender: str, pid: int, name: str, port: int, path: str, prefix: str, rate: int) -> None:
        self.sender, self.name, self.prefix, self.rate = sender, name, prefix.encode(), rate
        self.get = f"GET {path} HTTP/1.0\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
        self.machine = Path(f"/proc/{pid}")
        self.told_to_go = self.machine / "root/platform/terminating"
        self.resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.resolver.connect(("127.0.0.1", port))
        self.resolver.setblocking(False)
        with suppress(PermissionError):  # who may enter a machine's network may do this too
            self.resolver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, KEPT_BYTES)
        self.poll = select.epoll()
        self.poll.register(self.resolver, select.EPOLLIN)
        self.wires: dict[int, Request] = {}  # by file descriptor
        self.asked: dict[int, Request] = {}
        self.open: deque[Request] = deque()  # by `until`: every stage has the same patience
        self.records: dict[int, Record] = {}
        self.number = random.randrange(65536)  # noqa: S311 - tells answers apart, and keeps nobody out
        self.ending = False
        self.wall = time.time() - time.monotonic()

    def run(self, seconds: float) -> None:
        """Ask until there is a reason to end, then wait for what is under way."""
        if not self._await_name():
            return
        # Whole seconds of the wall clock, so that those of several clients add up.
        start = math.ceil(time.monotonic() + self.wall) - self.wall
        phase = random.random() / self.rate  # noqa: S311 - so that clients don't ask all at once
        asked, look = 0, 0.0
        while True:
            now = time.monotonic()
            # First what is due: a second is told when nothing more can be due in it.
            due = start + phase + asked / self.rate
            while due <= now and not self.ending:
                self._begin(due, now, round(start + self.wall) + asked // self.rate)
                asked += 1
                if asked >= self.rate * seconds:
                    self.ending = True  # never False: SIGTERM may have come meanwhile
                due = start + phase + asked / self.rate
            if now >= look:
                look = now + LOOK_SECONDS
                if not there(self.machine):
                    return  # the network is gone with its machine, and so is what was under way
                if there(self.told_to_go):
                    self.ending = True
                self._tell(now)
            if self.ending and not self.records:
                return
            self._give_up(now)
            ends = [look, self.open[0].until if self.open else look] + ([] if self.ending else [due])
            for descriptor, _ in self.poll.poll(max(0.0, min(ends) - time.monotonic())):
                if request := self.wires.get(descriptor):
                    self._advance(request)
                else:
                    self._named()

    def _await_name(self) -> bool:
        while not self.ending and there(self.machine) and not there(self.told_to_go):
            try:
                self.resolver.send(question(1, self.name, SRV))
                if self.poll.poll(WAIT_SECONDS) and answers(self.resolver.recv(4096))[0]:
                    return True
            except OSError:
                pass  # nobody listens there yet
            time.sleep(WAIT_SECONDS)
        return False

    def _begin(self, due: float, now: float, second: int) -> None:
        record = self.records.setdefault(second, Record())
        record.requests += 1
        record.open += 1
        request = Request(due, second)
        self._wait(request, now)
        self._ask(request, self.name, SRV)

    def _wait(self, request: Request, now: float) -> None:
        """It waits for something new from now on: it goes to the end of the queue."""
        if request.until:
            self.open.remove(request)
        request.until = now + PATIENCE
        self.open.append(request)

    def _ask(self, request: Request, name: str, kind: int) -> None:
        self.number = (self.number + 1) % 65536
        request.number = self.number
        self.asked[self.number] = request
        try:
            self.resolver.send(question(self.number, name, kind))
        except OSError as error:
            self._end(request, f"name: {error.strerror}")

    def _named(self) -> None:
        try:
            data = self.resolver.recv(4096)
        except OSError:
            return  # refused, and nobody says which question: that one will time out
        number, flags = struct.unpack_from(">2H", data)
        request = self.asked.pop(number, None)
        if request is None:
            return
        if flags & 0xF:
            self._end(request, f"name: response code {flags & 0xF}")
        else:
            self._found(request, *answers(data))

    def _found(self, request: Request, targets: list[tuple[str, int]], addresses: dict[str, str]) -> None:
        if request.stage == "name":
            if not targets:
                self._end(request, "name: no answer in it")
                return
            target, request.port = random.choice(targets)  # noqa: S311 - spreads the load
            if target not in addresses:
                request.stage = "address"
                self._ask(request, target, A)
                return
            addresses = {target: addresses[target]}
        if not addresses:
            self._end(request, "address: no answer in it")
            return
        request.stage = "connect"
        request.wire = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._wait(request, time.monotonic())
        try:
            request.wire.connect((next(iter(addresses.values())), request.port))
        except BlockingIOError:
            pass
        except OSError as error:
            self._end(request, f"connect: {error.strerror}")
            return
        self.wires[request.wire.fileno()] = request
        # Edges: each change is told once, and what is waited for needs no second call.
        self.poll.register(request.wire, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)

    def _advance(self, request: Request) -> None:
        wire = request.wire
        if wire is None:
            return
        try:
            if request.stage == "connect":
                wire.send(self.get)
                request.stage = "answer"
                self._wait(request, time.monotonic())
            while not complete(request.got):
                data = wire.recv(65536)
                if not data:
                    break
                request.got += data
        except BlockingIOError:
            return
        except OSError as error:
            self._end(request, f"{request.stage}: {error.strerror}")
            return
        head, _, body = request.got.partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1:2]
        if status != [b"200"]:
            self._end(request, f"status: {b''.join(status).decode(errors='replace') or 'no answer'}")
        elif not body.startswith(self.prefix):
            self._end(request, "body: another text")
        else:
            self._end(request, "")

    def _give_up(self, now: float) -> None:
        while self.open and self.open[0].until <= now:
            self._end(self.open[0], f"{self.open[0].stage}: nothing within {PATIENCE:.0f} s")

    def _end(self, request: Request, error: str) -> None:
        self.open.remove(request)
        self.asked.pop(request.number, None)
        if request.wire is not None:
            self.wires.pop(request.wire.fileno(), None)
            request.wire.close()  # which takes it out of the poll, too
            request.wire = None
        record = self.records[request.second]
        record.open -= 1
        if error:
            record.errors.append(error)
        else:
            record.latencies.append((time.monotonic() - request.due) * 1000)

    def _tell(self, now: float) -> None:
        """Print the seconds that are over and of which every request has ended."""
        current = math.floor(now + self.wall)
        for second in [s for s, record in self.records.items() if not record.open and (s < current or self.ending)]:
            record = self.records.pop(second)
            latencies = sorted(record.latencies)
            told = {
                "at": second,
                "from": self.sender,
                "requests": record.requests,
                "failed": len(record.errors),
                "p50_ms": _rank(latencies, 0.5),
                "p99_ms": _rank(latencies, 0.99),
                "errors": record.errors,
                "latencies_ms": [round(latency, 2) for latency in latencies],
            }
            print(json.dumps(told), flush=True)


def _rank(ordered: list[float], share: float) -> float:
    return round(ordered[max(0, math.ceil(len(ordered) * share) - 1)], 2) if ordered else 0.0


def main() -> None:
    """Read the arguments and ask."""
    sender, pid, name, port, path, prefix, rate, *seconds = sys.argv[1:]
    client = Client(sender, int(pid), name, int(port), path, prefix, int(rate))

    def end(number: int, frame: object) -> None:
        client.ending = True

    signal.signal(signal.SIGTERM, end)
    client.run(float(seconds[0]) if seconds else math.inf)


if __name__ == "__main__":
    main()
