"""Plans of the clusters, each made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from .cases import CLUSTERS
from .plan import Plan
from .stacks import recorded


def planned(case: str) -> Plan:
    """What the cluster of a case declares."""
    return Plan(recorded(f"cluster-{case}"))


@pytest.fixture(autouse=True)
def plugin_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Our plugin links itself into Pulumi's home: not the user's."""
    home = tmp_path_factory.getbasetemp() / "pulumi-home"
    monkeypatch.setenv("PULUMI_HOME", str(home))
    return home


@pytest.fixture(params=sorted(CLUSTERS))
def case(request: pytest.FixtureRequest) -> str:
    """The name of each cluster."""
    name: str = request.param
    return name


@pytest.fixture
def made(case: str) -> Plan:
    """The plan of each cluster."""
    return planned(case)
