"""Patience follows progress: what gets further is not late, and what only moves is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from hashistack.ops.readiness.patience import LIMIT, Patience


def ends(steps: Callable[[int], int], seconds: float = 10.0, what: Sequence[str] = ("it",)) -> int:
    """When a wait ends that sees so many steps at each second, and never the truth."""
    patience = Patience(seconds, 0.0)
    for now in range(10_000):
        if patience.is_over(now):
            return now
        patience.sees(what[now % len(what)], steps(now), now)
    raise AssertionError("it never ends")


def test_where_nothing_moves_a_wait_ends_after_its_patience() -> None:
    assert ends(lambda now: 0) == 11
    assert ends(lambda now: 3) == 11, "the first look is the only step"


def test_each_step_starts_the_clock_anew() -> None:
    assert ends(lambda now: min(now // 9, 4)) == 4 * 9 + 11
    assert ends(lambda now: min(now // 12, 4)) == 11, "a step that comes after its patience comes too late"


def test_what_flaps_gets_nowhere() -> None:
    assert ends(lambda now: now % 2) == 12
    assert ends(lambda now: 5 - now % 5) == 11
    two = ("consul", "nomad")
    assert ends(lambda now: 1 + now // 2 % 2, what=two) == 3 + 11, "nor do two by turns"


def test_what_moves_for_ever_ends_too() -> None:
    assert ends(lambda now: now) == 10 * LIMIT + 1


def test_when_it_moved_last_is_known() -> None:
    patience = Patience(10.0, 100.0)
    assert patience.moved == 100.0
    patience.sees("it", 1, 105.0)
    patience.sees("it", 1, 107.0)
    assert patience.moved == 105.0


@pytest.mark.parametrize("seconds", [0.5, 180.0])
def test_a_wait_that_has_just_begun_is_not_over(seconds: float) -> None:
    assert not Patience(seconds, 1000.0).is_over(1000.0)
