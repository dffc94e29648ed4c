"""Options of the whole test suite."""

from __future__ import annotations

import os
import pkgutil
import shutil
import signal
from collections.abc import Callable, Mapping
from difflib import unified_diff
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings

from hashistack import cli

settings.register_profile("any-host", deadline=None)  # how busy the host is says nothing about the code
settings.load_profile("any-host")

# Of its own, moto makes 1285 images anew in each region that a test asks: most of the time that such a test took.
os.environ["MOTO_AMIS_PATH"] = str(Path(__file__).with_name("images.json"))

# Whoever runs the tests in the background has them ignore Ctrl-C, and all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("tests.box.suite", "tests.box.prod")

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session", autouse=True)
def _whole_command_line() -> None:
    """Commands import what they need when they run: a module first imported beside a stand-in would keep it."""
    for module in pkgutil.walk_packages(cli.__path__, f"{cli.__name__}."):
        import_module(module.name)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what is found to tests/golden/, for review")
    parser.addoption(
        "--record-states", action="store_true", help="make stacks, and write their states to tests/upgrade/"
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


@pytest.fixture
def golden_directory(request: pytest.FixtureRequest) -> Callable[[str, Mapping[str, str]], None]:
    """Compares files, path to text, with all of this directory in tests/golden/; with --update-golden, writes them."""
    update: bool = request.config.getoption("--update-golden")

    def check(name: str, found: Mapping[str, str]) -> None:
        directory = GOLDEN / name
        if update:
            shutil.rmtree(directory, ignore_errors=True)
            for path, text in found.items():
                (directory / path).parent.mkdir(parents=True, exist_ok=True)
                (directory / path).write_text(text)
        known = {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}
        differ = sorted(path for path in {*known, *found} if known.get(path) != found.get(path))
        diff = "".join(
            line
            for path in differ
            for line in unified_diff(
                known.get(path, "").splitlines(keepends=True),
                found.get(path, "").splitlines(keepends=True),
                f"golden/{name}/{path}",
                f"found/{path}",
            )
        )
        assert not differ, f"{', '.join(differ)} differ; if that is meant, run pytest --update-golden\n{diff}"

    return check
