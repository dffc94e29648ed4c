"""`doctor` on releases: what runs, and how old what it knows is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hashistack.cli import preflight
from hashistack.cli.errors import Refusal
from hashistack.cli.preflight import CATALOG_DAYS, of_catalog, of_releases_of
from hashistack.component.findings import lines
from hashistack.spec import catalog


def engine(versions: dict[str, str] | None) -> Any:
    def connections() -> dict[str, Any]:
        if versions is None:
            raise Refusal("no stack")
        return {"connection": SimpleNamespace(name="shop-1f", versions=versions)}

    return SimpleNamespace(connections=connections)


def test_open_vulnerabilities_of_what_runs_are_two_lines() -> None:
    first, second = lines(of_releases_of(engine({"nomad": "1.11.3", "vault": "2.0.3"})))
    assert first.startswith(" ! what is specified is current and safe")
    assert "shop-1f: nomad 1.11.3 has CVE-2026-6959, " in first
    assert second.strip() == "hashistack upgrade --to nomad=2.0.4 (not proven by our own tests)"


def test_where_nothing_runs_nothing_is_said() -> None:
    assert of_releases_of(engine(None)) == []
    assert of_releases_of(engine({})) == []


def test_a_catalog_says_when_it_has_become_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "CHECKED", preflight.datetime.now(preflight.UTC).date().isoformat())
    assert of_catalog() == []
    monkeypatch.setattr(catalog, "CHECKED", "2026-01-31")
    (found,) = of_catalog()
    assert (found.ok, found.detail) == (None, "on 2026-01-31")
    assert str(CATALOG_DAYS) in found.sentence
