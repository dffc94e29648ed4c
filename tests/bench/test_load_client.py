"""The load client against a resolver and a server of the test's own: what counts as failed, the rate, and its end."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.load_client import Client
from hashistack.ops.report.samples import Sample, totals

ROOT = Path(__file__).parents[2]
NAME = "web.service.consul"
TARGET = "7f000001.addr.dc1.consul"
RATE = 40


def labels(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class Resolver:
    """Answers SRV with the server's port and A with 127.0.0.1, as Consul does; may do worse after the first answer."""

    def __init__(self, port: int) -> None:
        self.wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.wire.bind(("127.0.0.1", 0))
        self.port = self.wire.getsockname()[1]
        self.target_port = port
        self.additional = False
        self.spoil: Callable[[bytes], bytes | None] = lambda answer: answer
        self.asked: list[int] = []
        self.sender: tuple[str, int] = ("", 0)
        """Who asked last."""
        self.waited = 0
        """How many of them came while the client waited for the name: it gives them the number 1."""
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                data, self.sender = self.wire.recvfrom(4096)
            except OSError:
                return
            end = data.index(b"\0", 12) + 5
            (kind,) = struct.unpack(">H", data[end - 4 : end - 2])
            address = struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton("127.0.0.1")
            # The owner is a pointer to the question's name, as in real answers.
            records = b"\xc0\x0c" + address
            if kind == 33:
                place = struct.pack(">3H", 1, 1, self.target_port) + labels(TARGET)
                records = b"\xc0\x0c" + struct.pack(">HHIH", 33, 1, 0, len(place)) + place
                records += labels(TARGET) + address if self.additional else b""
            more = int(kind == 33 and self.additional)
            head = data[:2] + struct.pack(">5H", 0x8180, 1, 1, 0, more)
            answer = head + data[12:end] + records
            said = self.spoil(answer) if self.asked else answer
            self.asked.append(kind)
            self.waited += data[:2] == b"\0\1"
            if said is not None:
                with suppress(OSError):  # closed meanwhile
                    self.wire.sendto(said, self.sender)


class Server(ThreadingHTTPServer):
    """Answers "web 1" with 200, or what the test says."""

    daemon_threads = True
    request_queue_size = 512
    status, body, pause = 200, b"web 1", 0.0

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is gone is no news; said here, it would be in another test's output."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        time.sleep(self.server.pause)
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def resolver(server: Server) -> Iterator[Resolver]:
    resolver = Resolver(server.server_port)
    yield resolver
    resolver.wire.close()


def start(resolver: Resolver, pid: int, *seconds: str, rate: int = RATE) -> subprocess.Popen[str]:
    arguments = ["tester", str(pid), NAME, str(resolver.port), "/", "web ", str(rate), *seconds]
    return subprocess.Popen(
        [sys.executable, "-m", "bench.load_client", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def run(resolver: Resolver, seconds: float = 1) -> list[Sample]:
    with start(resolver, os.getpid(), str(seconds)) as process:
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return [Sample.parse(json.loads(line)) for line in said.splitlines()]


def test_every_second_has_its_requests_and_each_its_latency(resolver: Resolver) -> None:
    samples = run(resolver, 3)
    total = totals(samples)
    assert [sample.requests for sample in samples[:3]] == [RATE] * 3
    assert [later.at - samples[0].at for later in samples[:3]] == [0, 1, 2]
    assert (total.failed, total.exact) == (0, True)
    assert all(sample.at == int(sample.at) for sample in samples)
    # A name and an address for each request, after the questions that waited for the name.
    assert resolver.waited >= 1
    assert len(resolver.asked) == resolver.waited + 2 * total.requests


def test_a_signal_that_comes_while_a_request_begins_is_not_forgotten(resolver: Resolver) -> None:
    client = Client("tester", os.getpid(), NAME, resolver.port, "/", "web ", RATE)
    begin = client._begin

    def told_meanwhile(due: float, now: float, second: int) -> None:
        begin(due, now, second)
        client.ending = True

    client._begin = told_meanwhile  # type: ignore[method-assign]
    thread = threading.Thread(target=client.run, args=(math.inf,), daemon=True)
    thread.start()
    thread.join(20)
    client.resolver.close()
    client.poll.close()
    assert not thread.is_alive()


def test_an_address_that_comes_with_the_name_is_not_asked_for(resolver: Resolver) -> None:
    resolver.additional = True
    assert totals(run(resolver)).failed == 0
    assert set(resolver.asked) == {33}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda answer: answer[:3] + b"\x83" + answer[4:], "name: response code 3"),
        (lambda answer: answer[:6] + b"\0\0" + answer[8:12] + answer[12:], "name: no answer in it"),
        (lambda answer: None, "name: nothing within 5 s"),
    ],
)
def test_a_name_that_is_not_answered_fails(
    resolver: Resolver, spoil: Callable[[bytes], bytes | None], said: str
) -> None:
    resolver.spoil = spoil
    total = totals(run(resolver))
    assert total.errors == ((said, total.requests),)
    assert total.failed == total.requests >= RATE


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": 503}, "status: 503"),
        ({"body": b"Bad gateway"}, "body: another text"),
        ({"pause": 9.0}, "answer: nothing within 5 s"),
    ],
)
def test_an_answer_that_is_not_the_wanted_one_fails(
    resolver: Resolver, server: Server, change: dict[str, object], said: str
) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    total = totals(run(resolver))
    assert total.errors == ((said, total.requests),)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="the kernel keeps more for root alone, who makes the load in clusters too"
)
def test_answers_that_it_has_no_core_to_read_are_not_lost(resolver: Resolver) -> None:
    held: list[bytes] = []
    enough = threading.Event()

    def hold(answer: bytes) -> bytes | None:
        if enough.is_set():
            return answer
        held.append(answer)
        if len(held) == 300:
            process.send_signal(signal.SIGSTOP)
            for late in held:
                resolver.wire.sendto(late, resolver.sender)
            enough.set()
            process.send_signal(signal.SIGCONT)
        return None

    resolver.spoil = hold
    with start(resolver, os.getpid(), "3", rate=400) as process:
        said, _ = process.communicate(timeout=60)
    total = totals([Sample.parse(json.loads(line)) for line in said.splitlines()])
    assert enough.is_set()
    assert total.requests >= len(held)
    assert total.errors == ()


def test_a_refused_connection_fails(resolver: Resolver) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        resolver.target_port = reserved.getsockname()[1]  # bound, and nobody listens
        total = totals(run(resolver))
    assert total.errors == (("connect: Connection refused", total.requests),)


def test_it_asks_no_sooner_than_the_name_is_answered(resolver: Resolver) -> None:
    resolver.asked.append(0)
    resolver.spoil = lambda answer: answer if len(resolver.asked) > 5 else None
    assert totals(run(resolver)).failed == 0


def test_it_ends_when_its_machine_is_told_to_go(resolver: Resolver, tmp_path: Path) -> None:
    # The client looks into the root of the machine's first process: this one has a root of its own.
    program = f"import os; os.chroot({str(tmp_path)!r}); print('there', flush=True); os.read(0, 1)"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as machine:  # type: ignore[call-overload]
        assert machine.stdout.readline() == "there\n"
        with start(resolver, machine.pid) as process:
            assert process.stdout
            first = Sample.parse(json.loads(process.stdout.readline()))
            (tmp_path / "platform").mkdir()
            (tmp_path / "platform" / "terminating").touch()
            told = time.monotonic()
            said, _ = process.communicate(timeout=10)
            took = time.monotonic() - told
        machine.stdin.close()
    total = totals([first, *(Sample.parse(json.loads(line)) for line in said.splitlines())])
    assert process.returncode == 0
    assert total.failed == 0
    assert total.requests < RATE * (2 + took)


def test_it_ends_with_its_machine_and_counts_nothing_that_was_cut_off(resolver: Resolver, server: Server) -> None:
    with subprocess.Popen(["sleep", "60"]) as machine, start(resolver, machine.pid) as process:
        assert process.stdout
        process.stdout.readline()
        server.pause = 9.0
        machine.kill()
        machine.wait()
        said, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert not any(json.loads(line)["failed"] for line in said.splitlines())
