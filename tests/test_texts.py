"""All texts that people read are in one golden, so that a change of one is read where changes are reviewed."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import hashistack

PACKAGE = Path(hashistack.__file__).parent
COMMANDS = PACKAGE / "cli" / "commands"
PROSE = re.compile(r"[A-Za-z]{2,},? [a-z]{2,}")
"""Two words beside each other: what has fewer is a key, an option or a name."""


def test_the_texts_that_people_read_are_what_they_were(golden: Callable[[str, str], None]) -> None:
    found = {str(path.relative_to(PACKAGE)): list(_texts(path)) for path in sorted(PACKAGE.rglob("*.py"))}
    golden("texts.txt", "".join("\n".join((f"# {path}", *texts, "")) for path, texts in found.items() if texts))


def _texts(path: Path) -> Iterator[str]:
    """Every text in a module's code in its order, one a line, with {} for what is put in; of a command its help too."""
    tree = ast.parse(path.read_text())
    passed = set(_documentation(tree, help=path.parent == COMMANDS))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed.update(ast.walk(node))
            passed.remove(node)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr) and node not in passed]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        text = _text(node)
        if PROSE.search(text):
            yield text.replace("\n", "\\n")


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "{}"


def _documentation(tree: ast.Module, *, help: bool) -> Iterator[ast.AST]:
    """Strings that stand for themselves: docstrings, and what is said of a constant. A function's may be its help."""
    for node in ast.walk(tree):
        if help and isinstance(node, ast.FunctionDef):
            continue
        for each in getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []:
            if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
                yield each.value
