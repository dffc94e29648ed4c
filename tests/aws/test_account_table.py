"""docs/aws-account.md: every line has a test, and every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "aws-account.md").read_text().splitlines()
    if re.match(r"\| ([ABC]\d+ )?\| ", line) and "what AWS does" not in line
]
NAMED = [named for *_, tests in LINES for named in re.findall(r"`(tests/[^`]+)`", tests)]


def test_no_line_of_the_reading_is_missing() -> None:
    there = [number for number, *_ in LINES if number]
    wanted = [f"{part}{number}" for part, most in (("A", 3), ("B", 12), ("C", 8)) for number in range(1, most + 1)]
    assert there == wanted
    assert all(re.search("`tests/[^`]+::", tests) for *_, tests in LINES)


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_is_named_is_there(named: str) -> None:
    file, _, test = named.partition("::")
    name, _, case = test.rstrip("]").partition("[")
    text = (ROOT / file).read_text()
    assert f"def {name}(" in text
    assert not case or f'"{case}"' in text
