"""Plans of the cases, each made once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from hashistack import AwsCluster

from .cases import CASES
from .plan import Plan, plan


@cache
def planned(case: str) -> Plan:
    """What the cluster of a case declares; the cluster's own outputs are the plan's."""

    def program() -> dict[str, object]:
        made = AwsCluster("prod", CASES[case])
        return {"connection": made.connection, "bundles": made.bundles, "nomad": made.nomad_address}

    return plan(program)


@pytest.fixture(autouse=True)
def plugin_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Our plugin links itself into Pulumi's home: not the user's."""
    home = tmp_path_factory.getbasetemp() / "pulumi-home"
    monkeypatch.setenv("PULUMI_HOME", str(home))
    return home


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> str:
    """The name of each case."""
    name: str = request.param
    return name


@pytest.fixture
def made(case: str) -> Plan:
    """The plan of each case."""
    return planned(case)
