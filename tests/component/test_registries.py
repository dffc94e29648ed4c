"""The look at registries before an `up`: over TLS, at ones that run here."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashistack.component.registries import findings
from hashistack.spec import ClusterSpec

from ..cluster.registry import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry("127.0.0.1", tmp_path / "one", "robot:secret")
    yield registry
    registry.close()


def looked(*registries: dict[str, object]) -> list[tuple[bool | None, str]]:
    spec = ClusterSpec.parse({"registries": list(registries)})
    return [(one.ok, str(one)) for one in findings(spec)]


def test_one_that_answers_by_its_ca_is_well_and_asked_once(registry: Registry) -> None:
    hub = {"host": "docker.io", "mirrors": [f"https://{registry.host}"]}
    ((ok, text),) = looked(hub, {"host": registry.host, "ca": registry.ca})
    assert (ok, registry.asked) == (True, ["/v2/"])
    assert f"the registry {registry.host} answers" in text


def test_a_wrong_ca_stops_an_up(registry: Registry, tmp_path: Path) -> None:
    other = Registry("127.0.0.1", tmp_path / "other")
    other.close()
    ((ok, text),) = looked({"host": registry.host, "ca": other.ca})
    assert ok is False
    assert text.startswith(f"the registry {registry.host} answers (spec.registries[0]): no. ")
    assert "Next: give the certificate of the CA that signs the registry's as `ca`" in text
    assert registry.asked == []


def test_one_that_is_away_is_a_warning_with_its_place() -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        ((ok, text),) = looked({"host": "docker.io", "mirrors": [f"https://{host}"]})
    assert ok is None
    assert text.startswith(f"the registry {host} answers (spec.registries[0].mirrors[0])? not from this machine: ")
    assert "refused" in text
