"""The VPC's resolver, one message at a time."""

from __future__ import annotations

import struct

import pytest

from .dns import reply

A, AAAA = 1, 28


def query(name: str, kind: int = A) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def ask(name: str, kind: int = A) -> bytes:
    return reply(query(name, kind), "169.254.169.252")


@pytest.mark.parametrize("name", ["kms.eu-central-1.amazonaws.com", "S3.Amazonaws.Com"])
def test_names_of_aws_are_at_the_front(name: str) -> None:
    said = ask(name)
    assert struct.unpack("!HHHHHH", said[:12]) == (7, 0x8580, 1, 1, 0, 0)
    assert said[-4:] == bytes([169, 254, 169, 252])
    assert said[12:].startswith(query(name)[12:])


def test_they_have_no_other_records() -> None:
    assert struct.unpack("!HHHHHH", ask("kms.amazonaws.com", AAAA)[:12]) == (7, 0x8580, 1, 0, 0, 0)


@pytest.mark.parametrize(
    "name", ["example.com", "ec2.eu-central-1.api.aws", "amazonaws.com.example", "notamazonaws.com"]
)
def test_there_are_no_other_names(name: str) -> None:
    assert struct.unpack("!HHHHHH", ask(name)[:12]) == (7, 0x8583, 1, 0, 0, 0)


def test_a_reply_is_not_answered() -> None:
    assert reply(ask("kms.amazonaws.com"), "169.254.169.252") == b""
