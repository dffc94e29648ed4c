"""Options of the whole test suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write what is found to tests/golden/, for review"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with the file of this name in tests/golden/; with --update-golden, writes it."""
    update: bool = request.config.getoption("--update-golden")

    def check(name: str, found: str) -> None:
        path = GOLDEN / name
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found)
        assert path.exists(), f"{path} is missing; write it with pytest --update-golden, then review it"
        assert found == path.read_text(), f"{path} differs; if that is meant, run pytest --update-golden"

    return check
