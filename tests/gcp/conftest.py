"""Plans of the clusters, each made once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from .cases import CLUSTERS, program
from .plan import Plan, plan


@cache
def planned(case: str) -> Plan:
    """What the cluster of a case declares."""
    return plan(program(CLUSTERS[case]))


@pytest.fixture(autouse=True, scope="session")
def pulumi_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program that declares a resource of ours links the plugin into Pulumi's cache: not into the user's."""
    home = tmp_path_factory.mktemp("pulumi")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_HOME", str(home))
        yield home


@pytest.fixture(params=sorted(CLUSTERS))
def case(request: pytest.FixtureRequest) -> str:
    """The name of each cluster."""
    name: str = request.param
    return name


@pytest.fixture
def made(case: str) -> Plan:
    """The plan of each cluster."""
    return planned(case)
