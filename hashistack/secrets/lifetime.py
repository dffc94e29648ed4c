"""When key material is made anew: its age, and the clock that tests can set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from hashistack.provider.handler import UNKNOWN, Failure, Props

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present in UTC, to the second, as certificates have it."""
    return datetime.now(UTC).replace(microsecond=0)


def renewal_due(not_after: str, days: float, before: Any, now: datetime) -> bool:
    """Whether `now` is in the last `before` days (None: a third) of the `days` that end at `not_after`."""
    if before is UNKNOWN:
        return False
    return now >= datetime.fromisoformat(not_after) - timedelta(days=days / 3 if before is None else before)


def days_failures(news: Props, name: str) -> list[Failure]:
    """What is wrong with a validity in days."""
    days = news.get(name)
    if days is UNKNOWN or (_is_number(days) and 0 < days <= 36500):
        return []
    return [Failure(name, f"must be a number of days, above 0 and at most 36500, not {days!r}")]


def renewal_failures(news: Props) -> list[Failure]:
    """What is wrong with `renew_before_days`, and where it goes with `validity_days`."""
    days, before = news.get("validity_days"), news.get("renew_before_days")
    if before is None or before is UNKNOWN:
        return []
    if not (_is_number(before) and before > 0):
        return [Failure("renew_before_days", f"must be a number of days above 0, not {before!r}")]
    if _is_number(days) and before >= days > 0:
        reason = f"must be less than validity_days ({days}), or each `up` would renew; it is {before!r}"
        return [Failure("renew_before_days", reason)]
    return []


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
