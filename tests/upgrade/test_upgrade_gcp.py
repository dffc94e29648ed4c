"""The same on Google Cloud, without an engine: what the last release declared, beside what is declared today.

Aliases are not looked at. What Google's provider changes in place, the stand-in in tests/project says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hashistack.gcp.args import GcpClusterArgs
from hashistack.ops.api.connection import Connection
from hashistack.testing import Gcp, Recording, Registered, record

from ..gcp.cases import program
from ..project.plugin.resource import IN_PLACE
from .named import against

RECORDED = Path(__file__).with_name("recorded") / "gcp.json"
ALWAYS = {"InstanceTemplate"}
"""Types of which each change of machines makes another one: the groups follow, and nothing is lost."""


def declared(*pools: str) -> Recording:
    """What a cluster with these pools of clients declares."""
    spec = {"name": "upgrade", "clients": [{"name": name, "desired": 1} for name in pools]}
    return record(program(GcpClusterArgs(spec=spec), "upgrade"), Gcp(), disable_default_providers=["gcp"])


def kept(recording: Recording) -> dict[str, Any]:
    """URN to the inputs of which another value makes another resource."""

    def fixed(one: Registered) -> bool:
        package, _, kind = one.type.rpartition(":")
        return package.startswith("gcp:") and kind not in IN_PLACE | ALWAYS

    ours = (one for one in recording.resources if not one.type.startswith("pulumi:"))
    return {one.urn: one.inputs if fixed(one) else {} for one in ours}


def lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """What is not kept, as `TYPE NAME: `, and what is done to it."""
    urns = [urn for urn, inputs in before.items() if after.get(urn) != inputs]
    return {
        f"{' '.join(urn.rpartition('$')[2].split('::'))}: {'replace' if urn in after else 'delete'}" for urn in urns
    }


@pytest.fixture
def before(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The record of the last release."""
    if request.config.getoption("--record-states"):
        recording = declared("web", "batch")
        state = {"connection": recording.result["connection"], "resources": kept(recording)}
        RECORDED.write_text(json.dumps(state, indent=1) + "\n")
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


def test_nothing_is_lost_that_the_changelog_does_not_name(before: dict[str, Any]) -> None:
    assert against("Gcp", lost(before["resources"], kept(declared("web", "batch")))) == []


def test_a_pool_that_is_declared_no_more_is_lost(before: dict[str, Any]) -> None:
    gone = lost(before["resources"], kept(declared("web")))
    group = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager upgrade"
    assert f"{group}-batch: delete" in gone
    assert [one for one in gone if "upgrade-web" in one] == []


def test_the_connection_of_the_last_release_is_read(before: dict[str, Any]) -> None:
    assert Connection.parse(json.loads(before["connection"])).provider == "gcp"
