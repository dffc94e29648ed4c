"""DNS questions and answers as bytes, as much of them as load clients need."""

from __future__ import annotations

import socket
import struct

A, SRV = 1, 33


def question(number: int, name: str, kind: int) -> bytes:
    """A DNS question of type `kind`, with recursion."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, 1)


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name in a DNS message, which may point to an earlier part of it; and the place behind it."""
    labels: list[str] = []
    behind = 0
    while length := data[at]:
        if length >= 0xC0:
            behind = behind or at + 2
            at = struct.unpack_from(">H", data, at)[0] & 0x3FFF
            continue
        labels.append(data[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), behind or at + 1


def answers(data: bytes) -> tuple[list[tuple[str, int]], dict[str, str]]:
    """The targets (name and port) and the addresses (name to address) that a DNS answer holds."""
    _, _, questions, *sections = struct.unpack_from(">6H", data)
    at = 12
    for _ in range(questions):
        at = _name(data, at)[1] + 4
    targets: list[tuple[str, int]] = []
    addresses: dict[str, str] = {}
    for _ in range(sum(sections)):
        owner, at = _name(data, at)
        kind, _, _, length = struct.unpack_from(">HHIH", data, at)
        at += 10
        if kind == SRV:
            targets.append((_name(data, at + 6)[0].lower(), struct.unpack_from(">H", data, at + 4)[0]))
        elif kind == A:
            addresses[owner.lower()] = socket.inet_ntoa(data[at : at + 4])
        at += length
    return targets, addresses
