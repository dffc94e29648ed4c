"""What a platform bills for a cluster, priced: pure arithmetic over pools and prices.

An amount is a range, since a spot machine's price moves and some prices are not known: then it has no upper end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from hashistack.ops.cost.prices import Price, Prices

HOURS = 730
"""Hours of a month, as the clouds count them: 365 * 24 / 12."""


@dataclass(frozen=True)
class Amount:
    """US dollars, at least and at most. high: None where a price that belongs to it is not known."""

    low: float = 0.0
    high: float | None = 0.0

    def __add__(self, other: Amount) -> Amount:
        unknown = self.high is None or other.high is None
        return Amount(self.low + other.low, None if unknown else (self.high or 0.0) + (other.high or 0.0))

    def __mul__(self, count: float) -> Amount:
        """So many of them; of nothing the price need not be known."""
        return Amount(self.low * count, None if self.high is None else self.high * count) if count else Amount()

    def __str__(self) -> str:
        """`12.00`, `5.10 to 12.00`, `at least 5.10`, or `unknown`."""
        if self.high is None:
            return f"at least {self.low:.2f}" if self.low else "unknown"
        return f"{self.high:.2f}" if _cents(self.low) == _cents(self.high) else f"{self.low:.2f} to {self.high:.2f}"

    def as_json(self) -> dict[str, float | None]:
        """Plain data; whole cents are for people, so an hour's four digits stay."""
        return {"low": round(self.low, 4), "high": None if self.high is None else round(self.high, 4)}


@dataclass(frozen=True)
class Count:
    """A number of machines: those on demand, and those on spot."""

    on_demand: int
    spot: int = 0

    @property
    def all(self) -> int:
        """Both."""
        return self.on_demand + self.spot


@dataclass(frozen=True)
class BilledPool:
    """What is billed for a pool.

    types: machine types that the cloud may choose from, in the order of preference. declared: the machines that there
    are at first. most: the most that there may be, but for a rollout. surge: those that a rollout adds. disk, gib: kind
    and size of each machine's disk.
    """

    name: str
    types: tuple[str, ...]
    declared: Count
    most: Count
    surge: Count
    disk: str
    gib: int


@dataclass(frozen=True)
class Bill:
    """What a platform bills for a cluster.

    besides: what it bills too and is not counted, a few words each. page: where it says its prices.
    """

    pools: tuple[BilledPool, ...]
    besides: tuple[str, ...]
    page: str


@dataclass(frozen=True)
class PoolCost:
    """A pool, priced. month: as it is declared; most: with the most machines that it may have. roll: the machines that
    a rollout adds to it, an hour."""

    pool: BilledPool
    month: Amount
    most: Amount
    roll: Amount


@dataclass(frozen=True)
class Estimate:
    """A cluster, priced. prices: those that were used, by what they are of. unknown: what has no price here."""

    pools: tuple[PoolCost, ...]
    prices: dict[str, Price] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def month(self) -> Amount:
        """All pools in a month."""
        return _sum([one.month for one in self.pools])

    @property
    def most(self) -> Amount:
        """The same with the most machines that the pools may have."""
        return _sum([one.most for one in self.pools])

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "currency": "USD",
            "hours": HOURS,
            "pools": [
                {
                    "pool": one.pool.name,
                    "types": list(one.pool.types),
                    "on_demand": one.pool.declared.on_demand,
                    "spot": one.pool.declared.spot,
                    "most": one.pool.most.all,
                    "disk": one.pool.disk,
                    "disk_gib": one.pool.gib,
                    "month": one.month.as_json(),
                    "month_at_most": one.most.as_json(),
                    "roll": {"machines": one.pool.surge.all, "hour": one.roll.as_json()},
                }
                for one in self.pools
            ],
            "month": self.month.as_json(),
            "month_at_most": self.most.as_json(),
            "prices": [
                {"of": of, "dollars": price.dollars, "as_of": price.as_of, "source": price.source}
                for of, price in self.prices.items()
            ],
            "unknown": list(self.unknown),
        }


def estimate(pools: Sequence[BilledPool], prices: Prices) -> Estimate:
    """The pools priced. A price that no list has makes the amounts that it belongs to unknown at their upper end."""
    used: dict[str, Price] = {}
    unknown: dict[str, None] = {}

    def known(of: str, price: Price | None) -> float | None:
        if price is None:
            unknown[of] = None
            return None
        used[of] = price
        return price.dollars

    def priced(pool: BilledPool) -> PoolCost:
        # On-demand machines are of the first type; only where it has none left does the cloud take the next.
        first = known(f"{pool.types[0]}, an hour", prices.hour(pool.types[0]))
        on_demand = Amount(first or 0.0, first)
        spot = on_demand
        if pool.most.spot or pool.surge.spot:
            # A spot machine is never dearer than the same on demand, and the cloud may take any of the types.
            highest = [known(f"{one}, an hour", prices.hour(one)) for one in pool.types]
            lowest = [known(f"{one} as a spot machine, an hour", prices.spot(one)) for one in pool.types]
            spot = Amount(_all(lowest, min) or 0.0, _all(highest, max))
        gib = known(f"a GiB of {pool.disk}, a month", prices.disk(pool.disk))
        disk = Amount((gib or 0.0) * pool.gib, None if gib is None else gib * pool.gib)

        def month(count: Count) -> Amount:
            return (on_demand * count.on_demand + spot * count.spot) * HOURS + disk * count.all

        return PoolCost(pool, month(pool.declared), month(pool.most), month(pool.surge) * (1 / HOURS))

    done = tuple(priced(pool) for pool in pools)
    return Estimate(done, used, tuple(unknown))


def _sum(amounts: Sequence[Amount]) -> Amount:
    return reduce(lambda one, other: one + other, amounts, Amount())


def _all(found: Sequence[float | None], of: Callable[[Sequence[float]], float]) -> float | None:
    """The least or most of them, None where one is not known."""
    there = [each for each in found if each is not None]
    return of(there) if len(there) == len(found) else None


def _cents(dollars: float) -> int:
    return round(dollars * 100)
