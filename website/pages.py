"""The pages that people write: from their places in the repository to their places on the site."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).parent.parent
ABOVE: Final = {
    "README.md": "index.md",
    **{f"{name}.md": f"{name.lower()}.md" for name in ("ARCHITECTURE", "CHANGELOG", "CONTRIBUTING", "SECURITY")},
}
"""Pages that lie above docs/, to their places on the site. What is in docs/ has the same place there."""
REPORT: Final = PurePosixPath("docs/pictures/roll.ndjson")
"""Events of a roll; the site has their report in their place."""
LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
BLOCK: Final = re.compile(r"^( {0,3})(```|~~~).*?^\1\2", re.DOTALL | re.MULTILINE)


def copy(pages: Path) -> None:
    """Copies pages and pictures, with each link to a file of the repository led to where that is on the site."""
    for source in sources():
        place = pages / on_site(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix == ".md":
            place.write_text(indented(linked((ROOT / source).read_text(), source)))
        else:
            shutil.copyfile(ROOT / source, place)


def sources() -> list[PurePosixPath]:
    """All pages and pictures, as paths in the repository."""
    below = [path.relative_to(ROOT) for path in sorted((ROOT / "docs").rglob("*")) if path.is_file()]
    return [PurePosixPath(path) for path in (*ABOVE, *map(Path.as_posix, below))]


def on_site(source: PurePosixPath) -> PurePosixPath:
    """Where a page or picture of the repository is on the site."""
    if source == REPORT:
        return PurePosixPath("pictures/roll.html")
    if str(source) in ABOVE:
        return PurePosixPath(ABOVE[str(source)])
    return source.relative_to("docs").with_name("index.md" if source.name == "README.md" else source.name)


def indented(text: str) -> str:
    """With what belongs to an item of a list four spaces in, as the site wants it; GitHub takes two or three too."""
    done, width, fenced = [], 0, False
    for line in text.split("\n"):
        if line.startswith("```"):
            fenced, width = not fenced, 0
        if fenced:
            pass
        elif item := re.match(r"(?:[-*]|\d+\.) ", line):
            width = len(item[0])
        elif line.strip() and not line.startswith(" " * width):
            width = 0
        elif width and line.strip():
            line = " " * (4 - width) + line
        done.append(line)
    return "\n".join(done)


def linked(text: str, source: PurePosixPath) -> str:
    """A page's text with its links as they are on the site; code blocks stay.

    A link to a file that is no page leads to the repository where `HASHISTACK_REPOSITORY` says its address, and is
    only its text elsewhere.
    """
    there = set(sources())
    repository = os.environ.get("HASHISTACK_REPOSITORY", "").rstrip("/")

    def link(match: re.Match[str]) -> str:
        picture, shown, target = match.groups()
        path, hash_, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return match[0]
        file = PurePosixPath(os.path.normpath(source.parent / path))
        if file in there:
            way = os.path.relpath(on_site(file), on_site(source).parent)
            return f"{picture}[{shown}]({way}{hash_}{anchor})"
        if not (ROOT / file).exists():
            return match[0]  # the builder refuses it
        return f"[{shown}]({repository}/blob/main/{file})" if repository else shown

    done, end = [], 0
    for block in BLOCK.finditer(text):
        done += [LINK.sub(link, text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*done, LINK.sub(link, text[end:])])
