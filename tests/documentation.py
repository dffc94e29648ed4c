"""The blocks of README and docs/, and the commands in them."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SHELL = ("sh", "bash", "console")
OPERATORS = {"|", "||", "&", "&&", ";", "(", ")"}


@dataclass(frozen=True)
class Block:
    """page: as in the repository. line: its first. language: as its fence says it, "" where it is indented."""

    page: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_python(self) -> bool:
        return self.language == "python" or (not self.language and _is_python(self.text))


def _is_python(text: str) -> bool:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return False
    return any(isinstance(node, ast.Call) for node in ast.walk(tree))


def blocks() -> Iterator[Block]:
    """Every block of every page: fences, and what is indented by four spaces and stands for itself."""
    for path in PAGES:
        page = str(path.relative_to(ROOT))
        begun, language, lines = 0, "", list[str]()
        above = ""
        for number, line in enumerate([*path.read_text().splitlines(), ""], 1):
            fence = re.match(r" {0,3}```(\w*)", line)
            if begun and language:
                if fence:
                    yield Block(page, begun, language, "\n".join(lines))
                    begun = 0
                else:
                    lines.append(line)
            elif begun and (line.startswith("    ") or not line.strip()):
                lines.append(line[4:])
            else:
                if begun:
                    yield Block(page, begun, "", "\n".join(lines).strip())
                    begun = 0
                if fence:
                    begun, language, lines = number + 1, fence[1] or "text", []
                elif line.startswith("    ") and not above.strip():
                    begun, language, lines = number, "", [line[4:]]
            above = line
        if begun:
            yield Block(page, begun, "", "\n".join(lines).strip())


def commands(shell: str) -> Iterator[list[str]]:
    """Every simple command of a piece of shell, also those in `$(…)`, as its words. Raises ValueError where none is."""
    shell = re.sub(r"\\\n\s*", " ", shell)
    shell = re.sub(r"([|&]{1,2})\s*(#.*)?\n\s*", r"\1 ", shell)
    for line in shell.splitlines():
        lexer = shlex.shlex(_lifted(line, found := []), posix=True, punctuation_chars="|&;()<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word in OPERATORS:
                if words := _without_redirections(words):
                    yield words
                words = []
            else:
                words.append(word)
        for inner in found:
            yield from commands(inner)


def _lifted(line: str, found: list[str]) -> str:
    """A line without its `$(…)`, which are put into `found`."""
    while match := re.search(r"\$\(([^()]*)\)", line):
        found.append(match[1])
        line = f"{line[: match.start()]}SAID{line[match.end() :]}"
    return line


def _without_redirections(words: list[str]) -> list[str]:
    """Without variables that are set before it, and where its input and output are."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip or set(word) <= {"<", ">", "&"}:
            skip = not skip
        elif kept or not re.match(r"\w+=", word):
            kept.append(word)
    return kept
