"""Specification's handler: what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from hashistack.component.specification import SpecificationHandler
from hashistack.provider.handler import Context, Diff, ResourceFailed
from hashistack.spec import ClusterSpec


def _diff(before: dict[str, Any], after: dict[str, Any]) -> Diff:
    olds, news = ({"spec": ClusterSpec.parse(spec).model_dump_json()} for spec in (before, after))
    return SpecificationHandler().diff(Context(), "specification", olds, news)


def test_what_an_up_can_make_is_kept() -> None:
    assert _diff({}, {}) == Diff()
    assert _diff({}, {"servers": {"count": 5}}).update == ("spec",)


def _said(method: str, before: dict[str, Any] | None, after: dict[str, Any]) -> list[str]:
    olds, news = (
        None if spec is None else {"spec": ClusterSpec.parse(spec).model_dump_json()} for spec in (before, after)
    )
    said: list[str] = []
    context = Context(preview=method == "preview", log=lambda severity, text: said.append(f"{severity}: {text}"))
    handler = SpecificationHandler()
    if method == "preview":
        handler.preview(context, olds, news or {})
    elif olds is None:
        handler.create(context, news or {})
    else:
        handler.update(context, "specification", olds, news or {})
    return [line for line in said if not line.startswith("debug: ")]


@pytest.mark.parametrize("method", ["preview", "up"])
def test_what_is_worth_knowing_is_said_once_for_each_change(method: str) -> None:
    old = {"versions": {"nomad": "1.10.5"}}
    (first,) = _said(method, None, old)
    assert first.startswith("warning: spec.versions: nomad 1.10.5 has CVE-2026-6959")
    assert _said(method, old, {**old, "servers": {"count": 5}}) == []
    (second,) = _said(method, old, {"versions": {"nomad": "1.11.3"}})
    assert "nomad 1.11.3 has CVE" in second
    (zones,) = _said(method, old, {**old, "servers": {"zones": ["a"]}})
    assert zones.startswith("warning: spec.servers.zones: ")


def test_what_no_up_can_make_stops_it() -> None:
    with pytest.raises(ResourceFailed) as caught:
        _diff({}, {"datacenter": "dc2", "versions": {"nomad": "1.10.5"}})
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "spec.datacenter",
        "spec.versions.nomad",
    ]
