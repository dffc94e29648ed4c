"""Durations as Go writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashistack.spec import SpecError, UpgradePolicy
from hashistack.spec.durations import seconds


@pytest.mark.parametrize(
    ("text", "length"),
    [("30s", 30), ("1h", 3600), ("1h30m", 5400), ("1.5h", 5400), ("250ms", 0.25), ("0s", 0), ("2m10s", 130)],
)
def test_lengths(text: str, length: float) -> None:
    assert seconds(text) == length


@given(st.integers(0, 40), st.integers(0, 59), st.integers(0, 59))
def test_sums_of_parts(hours: int, minutes: int, rest: int) -> None:
    assert seconds(f"{hours}h{minutes}m{rest}s") == hours * 3600 + minutes * 60 + rest


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_refused_in_one_line(text: str) -> None:
    try:
        accepted = UpgradePolicy(min_healthy_time=text).min_healthy_time
    except SpecError as refusal:
        assert len(str(refusal).splitlines()) == 1
    else:
        assert accepted == text
        assert seconds(accepted) > 0
