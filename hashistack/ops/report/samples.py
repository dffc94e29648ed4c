"""What a probe saw of the applications, second by second: requests, failures, latencies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hashistack.ops.rollout.events import EventInvalid, checked, objects


@dataclass(frozen=True)
class Sample:
    """One second of one prober.

    at: the second in which its requests were due, since 1970. sender: the machine that they came from (`from` in
    JSON). latencies_ms: those of all requests that succeeded; a prober may leave them out.
    """

    at: float
    sender: str
    requests: int
    failed: int
    p50_ms: float
    p99_ms: float
    errors: tuple[str, ...] = ()
    latencies_ms: tuple[float, ...] = ()

    @classmethod
    def parse(cls, data: Any, where: str = "sample") -> Sample:
        """A sample from plain data.

        Raises:
            EventInvalid: a field is missing or is not what it should be.
        """
        if not isinstance(data, Mapping):
            raise EventInvalid(f"{where}: a sample is a JSON object, not {type(data).__name__}")
        named = {("sender" if name == "from" else name): value for name, value in data.items()}
        return checked(cls, named, where)

    def as_json(self) -> dict[str, Any]:
        """Plain data that `parse` takes."""
        return {("from" if name == "sender" else name): value for name, value in vars(self).items()}


@dataclass(frozen=True)
class Second:
    """All probers together, in one second or a longer stretch that begins at `at`.

    requests: those due in it. p50_ms, p99_ms: None where no request succeeded.
    """

    at: float
    requests: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class Totals:
    """A whole run.

    p50_ms, p99_ms: of all requests that succeeded, None without any. exact: whether they come from each request's own
    latency; else they are the median and the highest of the samples', and the true p99 is no higher. lowest: the
    fewest requests in any second but the first and the last, which are seldom whole. errors: text and how often.
    """

    requests: int
    failed: int
    p50_ms: float | None
    p99_ms: float | None
    exact: bool
    lowest: int
    errors: tuple[tuple[str, int], ...]


def read(lines: Iterable[str], where: str = "samples") -> list[Sample]:
    """The samples of an NDJSON file.

    Raises:
        EventInvalid: names `where`, the line, and what is wrong.
    """
    return [Sample.parse(data, place) for place, data in objects(lines, where)]


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that `share` of them do not exceed; None for none. They must be in order."""
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else None


def stretches(samples: Iterable[Sample], seconds: int = 1) -> tuple[Second, ...]:
    """What all probers saw, in stretches of so many seconds; a stretch in which nobody asked is not there."""
    by_stretch: dict[int, list[Sample]] = {}
    for sample in samples:
        by_stretch.setdefault(int(sample.at // seconds) * seconds, []).append(sample)
    return tuple(_together(at, found) for at, found in sorted(by_stretch.items()))


def _together(at: int, samples: Sequence[Sample]) -> Second:
    p50, p99, _ = _latency(samples)
    return Second(at, sum(s.requests for s in samples), sum(s.failed for s in samples), p50, p99)


def _latency(samples: Sequence[Sample]) -> tuple[float | None, float | None, bool]:
    answered = [sample for sample in samples if sample.requests > sample.failed]
    if all(len(sample.latencies_ms) == sample.requests - sample.failed for sample in answered):
        all_of_them = sorted(latency for sample in answered for latency in sample.latencies_ms)
        return percentile(all_of_them, 0.5), percentile(all_of_them, 0.99), True
    p50s = sorted(sample.p50_ms for sample in answered)
    return percentile(p50s, 0.5), max(sample.p99_ms for sample in answered), False


def totals(samples: Sequence[Sample]) -> Totals:
    """The sums over all samples."""
    each = stretches(samples)
    errors = Counter(error for sample in samples for error in sample.errors)
    asked = {int(second.at): second.requests for second in each}
    whole = [asked.get(at, 0) for at in range(min(asked) + 1, max(asked))] if asked else []
    p50, p99, exact = _latency(samples)
    return Totals(
        requests=sum(asked.values()),
        failed=sum(second.failed for second in each),
        p50_ms=p50,
        p99_ms=p99,
        exact=exact,
        lowest=min(whole, default=0),
        errors=tuple(errors.most_common()),
    )
