"""Rendered machines as files to review: what a change of ours does to them is seen in the change itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from .cases import CASES, POOLS

SHOWN = ("conf/", "sv/", "manifest.json", "bootstrap.json", "stub.conf")
"""The rendered part of a bundle. Its programs are files of the repository: here, only their names are kept."""


def reviewable(contents: Mapping[str, bytes]) -> dict[str, str]:
    found = {"contents.txt": "".join(f"{path}\n" for path in sorted(contents))}
    for path, data in contents.items():
        if not path.startswith(SHOWN):
            continue
        text = data.decode()
        fragment = json.loads(text) if path.startswith("conf/") else {}
        if set(fragment) == {"text"}:
            found[path.replace(".json", ".conf")] = fragment["text"]
        else:
            found[path] = text
    return found


@pytest.mark.parametrize(("case", "pool"), POOLS)
def test_a_rendered_machine(case: str, pool: str, golden_directory: Callable[[str, Mapping[str, str]], None]) -> None:
    found = reviewable(CASES[case].bundle(pool).files)
    # The digest would change with every word in a program: any will do to read the script.
    found["user-data"] = CASES[case].user_data(pool, "0" * 64)
    golden_directory(f"machine/{case}/{pool}", found)


def test_golden_directories_are_those_of_the_cases() -> None:
    from ..conftest import GOLDEN

    found = {
        (case.name, pool.name) for case in (GOLDEN / "machine").iterdir() for pool in case.iterdir() if pool.is_dir()
    }
    assert found == set(POOLS)
