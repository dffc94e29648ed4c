"""The one table of exit codes: the commands keep it, and docs/commands.md shows it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from hashistack.cli import main
from hashistack.cli.exit_codes import EVERY, ONE, OWN

DOC = (Path(__file__).parents[2] / "docs/commands.md").read_text()
OF_OUR_OWN = {"_planned"}
"""Functions beside a command that end it with a code."""


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, found in group.commands.items():
        yield from commands(found, f"{before}{name} ") if hasattr(found, "commands") else [(f"{before}{name}", found)]


COMMANDS = dict(commands(get_command(main.app)))
ALL = {name: found.callback for name, found in COMMANDS.items()}


def codes(callback: Any) -> set[int]:
    """The codes that a command's function ends with by itself; an error of ours is 2 everywhere."""
    found: set[int] = set()
    body = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(callback))))
    for node in ast.walk(body):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "Exit":
                (given,) = node.args
                # A number that is computed is of what was found: 0 or 1.
                found.add(given.value if isinstance(given, ast.Constant) else 1)  # type: ignore[arg-type]
            elif name in OF_OUR_OWN:
                found |= codes(getattr(main, name))
    return found


@pytest.mark.parametrize("name", ALL)
def test_a_command_ends_as_the_table_says(name: str) -> None:
    assert codes(ALL[name]) <= {1, 2}
    assert (1 in codes(ALL[name])) == (name in ONE), "what it means belongs into exit_codes.ONE"


def test_the_table_names_commands_alone() -> None:
    assert {*ONE, *OWN} <= {*ALL}


def test_the_documentation_shows_the_table() -> None:
    section = DOC.partition("## Exit codes\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE))
    wanted = {str(code): text for code, text in EVERY.items()}
    assert {key: rows.get(key) for key in wanted} == wanted
    assert {key: rows.get(f"1 of `{key}`") for key in ONE} == ONE
    assert {key: rows.get(f"any of `{key}`") for key in OWN} == OWN


def test_every_command_answers_programs() -> None:
    """Those without `-o` print JSON alone, or what somebody else says."""
    without = {name for name, found in COMMANDS.items() if all("--output" not in one.opts for one in found.params)}
    assert without == {"schema", "inventory", "exec", "logs"}


@pytest.mark.parametrize("name", ALL)
def test_every_command_is_in_the_documentation(name: str) -> None:
    table = DOC.partition("## All commands")[2]
    first, _, last = name.rpartition(" ")
    row = next((line for line in table.splitlines() if f"`{first or last}`" in line or f"`{name}`" in line), "")
    assert row
    assert f"`{last}`" in row or f"`{name}`" in row
