"""When key material is made anew: its age, and the clock that tests can set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from hashistack.provider.handler import UNKNOWN, Failure, Props

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present in UTC, to the second, as certificates have it."""
    return datetime.now(UTC).replace(microsecond=0)


def validity(news: Props) -> timedelta:
    """How long a certificate with these inputs is valid."""
    return timedelta(days=news["validity_days"])


def renewal_due(olds: Props, news: Props, now: datetime) -> bool:
    """Whether `now` is in the last `renew_before_days` (default: a third of its life) before `not_after`."""
    days = news.get("renew_before_days")
    if days is UNKNOWN:
        return False
    if days is None:
        days = news["validity_days"] / 3
    return now >= datetime.fromisoformat(olds["not_after"]) - timedelta(days=days)


def lifetime_failures(news: Props) -> list[Failure]:
    """What is wrong with `validity_days` and `renew_before_days`."""
    days, before = news.get("validity_days"), news.get("renew_before_days")
    if days is not UNKNOWN and not (_is_number(days) and 0 < days <= 36500):
        return [Failure("validity_days", f"must be a number of days, above 0 and at most 36500, not {days!r}")]
    if before is None or before is UNKNOWN:
        return []
    if not (_is_number(before) and before > 0):
        return [Failure("renew_before_days", f"must be a number of days above 0, not {before!r}")]
    if _is_number(days) and before >= days:
        reason = f"must be less than validity_days ({days}), or each `up` would renew; it is {before!r}"
        return [Failure("renew_before_days", reason)]
    return []


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
