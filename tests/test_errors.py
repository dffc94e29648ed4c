"""One tree of errors: what is ours has a text and a remedy, and what the system refuses is told like it."""

from __future__ import annotations

import ast
import errno
from pathlib import Path

import pytest

import hashistack
from hashistack.errors import HashistackError, expected

PACKAGE = Path(hashistack.__file__).parent
SIGNALS = {"_Reached", "_Failed"}
"""Not errors: how a program under a probe is ended, and what gRPC takes for a status."""


def test_a_text_is_what_is_wrong_and_then_what_to_do() -> None:
    assert str(HashistackError("no room")) == "no room"
    assert str(HashistackError("no room", "make some")) == "no room. Next: make some"
    assert str(HashistackError("There is no room.", "make some")) == "There is no room. Next: make some"
    assert str(HashistackError("no room:\n  /tmp", "make some")) == "no room:\n  /tmp\nNext: make some"


def test_every_exception_of_ours_is_of_the_tree() -> None:
    """By the sources, so that one in a part whose SDK is missing is found too."""
    bases: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {ast.unparse(base).rpartition(".")[2] for base in node.bases}

    def roots(name: str) -> set[str]:
        return {name, *(root for base in bases.get(name, set()) - {name} for root in roots(base))}

    ours = {name for name in bases if any(root.endswith(("Exception", "Error")) for root in roots(name))}
    assert {name for name in ours - SIGNALS if "HashistackError" not in roots(name)} == set()
    assert len(ours) > 20


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EMFILE, errno.EDQUOT])
def test_what_the_system_refuses_is_no_bug(number: int) -> None:
    told = expected(OSError(number, "the reason", "/some/file"))
    assert told
    assert str(told).startswith("/some/file: the reason. Next: ")


def test_a_bug_stays_one() -> None:
    assert expected(OSError(errno.ENOENT, "No such file or directory", "/some/file")) is None
    assert expected(OSError("without a number")) is None
    assert expected(KeyError("x")) is None
