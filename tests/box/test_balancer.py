"""Ports of this host that lead elsewhere, and names in /etc/hosts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import balancer
from .balancer import Names, Ports

HERE = "127.0.0.1"


class Answers:
    """A server that says one word to whoever connects."""

    def __init__(self, word: bytes) -> None:
        self._socket, self._word = socket.create_server((HERE, 0)), word
        self.place = (HERE, int(self._socket.getsockname()[1]))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            with connection:
                connection.sendall(self._word)


@pytest.fixture
def ports() -> Iterator[Ports]:
    made = Ports()
    yield made
    made.close()


def free() -> tuple[str, int]:
    with socket.create_server((HERE, 0)) as found:
        return HERE, int(found.getsockname()[1])


def asked(place: tuple[str, int]) -> bytes:
    with socket.create_connection(place, 5) as connection:
        return connection.recv(10)


def test_connections_go_to_whoever_answers_in_turn(ports: Ports) -> None:
    one, two, place, dead = Answers(b"one"), Answers(b"two"), free(), free()
    ports.follow({place: lambda: [one.place, dead, two.place]})
    assert {asked(place) for _ in range(6)} == {b"one", b"two"}
    one.close()
    two.close()


def test_without_a_target_a_connection_ends(ports: Ports) -> None:
    place = free()
    ports.follow({place: list})
    assert asked(place) == b""
    ports.follow({})
    with pytest.raises(ConnectionRefusedError):
        asked(place)


def test_names_stand_beside_others_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    monkeypatch.setattr(balancer, "HOSTS", hosts)
    names = Names("test")
    names.follow({"lb.example.org": "127.64.0.9"})
    assert hosts.read_text().splitlines()[0] == "127.0.0.1 localhost"
    assert "127.64.0.9 lb.example.org" in hosts.read_text()
    names.follow({})
    assert hosts.read_text() == "127.0.0.1 localhost\n"
