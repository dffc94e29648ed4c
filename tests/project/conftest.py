"""A project for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .project import Project


@pytest.fixture(scope="session")
def box() -> Iterator[Project]:
    with Project(late=3) as box:
        yield box
