"""A cloud's resolver, one message at a time."""

from __future__ import annotations

import struct

import pytest

from .dns import reply

A, AAAA = 1, 28


def query(name: str, kind: int = A) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


ZONES = {"kms.example.org": "169.254.169.251", ".example.org": "169.254.169.252", "alone.internal": "169.254.169.254"}


def ask(name: str, kind: int = A) -> bytes:
    return reply(query(name, kind), ZONES)


@pytest.mark.parametrize(
    ("name", "last"),
    [("kms.example.org", 251), ("S3.Example.Org", 252), ("a.b.example.org", 252), ("alone.internal", 254)],
)
def test_a_name_is_where_its_zone_says(name: str, last: int) -> None:
    said = ask(name)
    assert struct.unpack("!HHHHHH", said[:12]) == (7, 0x8580, 1, 1, 0, 0)
    assert said[-4:] == bytes([169, 254, 169, last])
    assert said[12:].startswith(query(name)[12:])


def test_it_has_no_other_records() -> None:
    assert struct.unpack("!HHHHHH", ask("kms.example.org", AAAA)[:12]) == (7, 0x8580, 1, 0, 0, 0)


@pytest.mark.parametrize(
    "name", ["example.com", "example.org", "example.org.com", "notexample.org", "x.alone.internal"]
)
def test_there_are_no_other_names(name: str) -> None:
    assert struct.unpack("!HHHHHH", ask(name)[:12]) == (7, 0x8583, 1, 0, 0, 0)


def test_a_reply_is_not_answered() -> None:
    assert reply(ask("kms.example.org"), ZONES) == b""
