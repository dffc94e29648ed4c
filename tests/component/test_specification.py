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


def test_what_no_up_can_make_stops_it() -> None:
    with pytest.raises(ResourceFailed) as caught:
        _diff({}, {"datacenter": "dc2", "versions": {"nomad": "1.10.5"}})
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "spec.datacenter",
        "spec.versions.nomad",
    ]
