"""When key material is made anew: its age, and the clock that tests can set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hashistack.provider.handler import UNKNOWN, Failure, Props

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present in UTC, to the second, as certificates have it."""
    return datetime.now(UTC).replace(microsecond=0)


def validity(news: Props) -> timedelta:
    """How long a certificate with these inputs is valid."""
    return timedelta(days=news["validity_days"])


def renewal_due(olds: Props, news: Props, now: datetime) -> bool:
    """Whether `now` is within `renew_before_days` (default: a third of its life) of the state's `not_after`."""
    days = news.get("renew_before_days") or news["validity_days"] / 3
    if days is UNKNOWN:
        return False
    return now >= datetime.fromisoformat(olds["not_after"]) - timedelta(days=days)


def lifetime_failures(news: Props) -> list[Failure]:
    """What is wrong with `validity_days` and `renew_before_days`."""
    failures = []
    days, before = news.get("validity_days"), news.get("renew_before_days")
    if days is not UNKNOWN and not (_is_number(days) and 0 < days <= 36500):
        reason = f"must be a number of days above 0 and at most 36500 (100 years), not {days!r}"
        failures.append(Failure("validity_days", reason))
    elif before is not None and before is not UNKNOWN and not (_is_number(before) and before > 0):
        failures.append(Failure("renew_before_days", f"must be a number of days above 0, not {before!r}"))
    elif _is_number(days) and _is_number(before) and before >= days:
        reason = f"must be less than validity_days ({days}), or each `up` would renew: {before!r}"
        failures.append(Failure("renew_before_days", reason))
    return failures


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
