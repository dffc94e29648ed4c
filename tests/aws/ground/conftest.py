"""Recorded stacks of AWS components."""

from __future__ import annotations

from pathlib import Path

import pytest

from hashistack.testing import Recording

from .stacks import recorded


@pytest.fixture(autouse=True, scope="session")
def pulumi_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that declares a resource of ours links the plugin into Pulumi's cache: not into the user's."""
    home = tmp_path_factory.mktemp("pulumi")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def minimal(pulumi_home: Path) -> Recording:
    """Everything as it is by default."""
    return recorded("minimal")
