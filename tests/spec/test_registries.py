"""Registries in the specification: what is taken, and each bad one with its path and remedy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hashistack.secrets import pki
from hashistack.spec import ClusterSpec, SpecError

AUTHORITY = pki.authority("a registry's CA", timedelta(days=9), datetime.now(UTC))


def told(*registries: dict[str, Any]) -> list[str]:
    try:
        ClusterSpec.parse({"registries": list(registries)})
    except SpecError as error:
        return str(error).splitlines()
    return []


def test_mirrors_cas_and_credentials_are_taken() -> None:
    spec = ClusterSpec.parse(
        {
            "registries": [
                {"host": "docker.io", "mirrors": ["https://mirror.example.com:5000", "https://10.0.0.5"]},
                {"host": "mirror.example.com:5000", "ca": AUTHORITY.cert_pem * 2},
                {"host": "registry.example.com", "credentials": "vault"},
            ]
        }
    )
    assert ClusterSpec.parse(spec.model_dump(mode="json")) == spec
    assert spec.to_look_at


BAD = [
    ({"host": "https://r.example.com", "credentials": "vault"}, ".host: is not the host of a registry"),
    ({"host": "r.example.com/team", "credentials": "vault"}, ".host: is not the host of a registry"),
    ({"host": "../../etc", "credentials": "vault"}, ".host: is not the host of a registry"),
    ({"host": "r.example.com"}, ": says nothing of the registry. Give `ca`, `credentials` or `mirrors`, or remove it."),
    (
        {"host": "r.example.com", "mirrors": ["https://m.example.com"]},
        ".mirrors: Docker has mirrors of docker.io alone",
    ),
    ({"host": "docker.io", "mirrors": ["http://m.example.com"]}, 'm.example.com" is not the address of a mirror'),
    ({"host": "docker.io", "mirrors": ["https://m.example.com/hub"]}, "Docker takes no path"),
    ({"host": "docker.io", "mirrors": ["https://m", "https://m"]}, 'mirrors: "https://m" is listed twice'),
    ({"host": "r.example.com", "ca": "/etc/ssl/ca.pem"}, ".ca: is no certificate"),
    ({"host": "r.example.com", "ca": AUTHORITY.cert_pem + AUTHORITY.key_pem}, ".ca: has a private key in it"),
    ({"host": "r.example.com", "credentials": "hunter2"}, '.credentials: must be "vault"'),
    ({"host": "r.example.com", "ca": AUTHORITY.cert_pem, "password": "hunter2"}, ".password: is a secret"),
]


@pytest.mark.parametrize(("registry", "words"), BAD, ids=[words for _, words in BAD])
def test_a_bad_one_is_told_with_its_place_and_never_its_key(registry: dict[str, Any], words: str) -> None:
    (line,) = told(registry)
    assert line.startswith("spec.registries[0]")
    assert words in line
    assert "BEGIN PRIVATE" not in line
    assert AUTHORITY.key_pem.splitlines()[1] not in line


def test_one_host_has_one_entry() -> None:
    assert told({"host": "r", "credentials": "vault"}, {"host": "r", "ca": AUTHORITY.cert_pem}) == [
        'spec.registries[1].host: "r" is defined twice, first as registries[0]. Write all of a registry into one entry.'
    ]
