"""Projects to begin with: what there is, and one written out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hashistack import jobs, platforms
from hashistack.version import VERSION


def templates() -> dict[str, Path]:
    """Name to folder: each platform's own, the first of them for a newcomer, and one that deploys into a cluster."""
    return {**platforms.templates(), "product": Path(str(jobs.__file__)).with_name("template")}


def description(folder: Path) -> str:
    """What a template is, in one line: as its Pulumi.yaml says it."""
    import yaml

    return str(yaml.safe_load((folder / "Pulumi.yaml").read_text(encoding="utf-8"))["description"])


def files(folder: Path, project: str) -> dict[str, str]:
    """A template's files for a project of this name: path to text. Placeholders have the form of Pulumi's templates."""
    found = sorted(file for file in folder.iterdir() if file.is_file())
    texts = {file.name: file.read_text(encoding="utf-8") for file in found}
    return {name: text.replace("${PROJECT}", project).replace("${VERSION}", VERSION) for name, text in texts.items()}


def commands(readme: str) -> str:
    """The commands to begin with: the first block of a README."""
    found = re.search(r"(?:^    .*\n)+", readme, re.M)
    return found.group().rstrip() if found else ""


def taken(directory: Path, wanted: Mapping[str, str]) -> list[str]:
    """What stands in the way of these files in a directory, by name: not what an `init` that was killed has left,
    nor git's own."""
    there = next(place for place in (directory, *directory.parents) if place.exists() or place.is_symlink())
    if not there.is_dir():
        return [str(there)]
    if there != directory:
        return []
    return sorted(
        entry.name
        for entry in directory.iterdir()
        if entry.name != ".git"
        and not (entry.is_file() and wanted.get(entry.name, "").encode().startswith(entry.read_bytes()))
    )
