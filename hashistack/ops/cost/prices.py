"""Prices of machines and disks: each list has a source, a date and a region. No price is ever made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from hashistack.errors import HashistackError
from hashistack.spec.problems import FieldError, Problem, SpecError, show
from hashistack.spec.section import Many, Section

Dollars = Annotated[float, Field(ge=0)]


class PricesUnreadable(HashistackError):
    """A file of prices can't be read, or is no JSON."""


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise FieldError("is no date", 'Write the day of the prices as "2026-07-30".') from None


def _said(text: str) -> str:
    if not text.strip():
        raise FieldError("is empty", "Say where the prices are from, such as a URL.")
    return text


class MachinePrice(Section):
    """What a machine type costs, in US dollars an hour; what the list does not know is left out."""

    hour: Dollars | None = None
    """On demand."""
    spot: Dollars | None = None
    """As a spot machine: the lowest price that was seen."""


class PriceList(Section):
    """The prices of one region at one day, from one source: list prices, without anybody's discounts."""

    platform: str
    """The platform's name, as in a connection's `provider`."""
    region: str
    """The cloud's region."""
    as_of: Annotated[str, AfterValidator(_day)]
    """The day at which these were the prices: "2026-07-30"."""
    source: Annotated[str, AfterValidator(_said)]
    """Where they are from, such as a URL."""
    machines: dict[str, MachinePrice] = Field(default={})
    """By machine type."""
    disks: dict[str, Dollars] = Field(default={})
    """US dollars a GiB and month, by kind of disk."""


class PriceFile(Section):
    """A file of prices: the form of `--prices`."""

    lists: Many[PriceList]
    """The lists; the first that knows a price gives it."""


@dataclass(frozen=True)
class Price:
    """A price in US dollars, with where it is from."""

    dollars: float
    source: str
    as_of: str


class Prices:
    """Looks prices up in one region, in the lists of one platform."""

    def __init__(self, lists: Iterable[PriceList], region: str) -> None:
        self._lists = [one for one in lists if one.region == region]

    def hour(self, machine_type: str) -> Price | None:
        """A machine on demand, an hour."""
        return self._first(lambda one: one.machines.get(machine_type, MachinePrice()).hour)

    def spot(self, machine_type: str) -> Price | None:
        """The lowest price of it as a spot machine that was seen, an hour."""
        return self._first(lambda one: one.machines.get(machine_type, MachinePrice()).spot)

    def disk(self, kind: str) -> Price | None:
        """A GiB of such a disk, a month."""
        return self._first(lambda one: one.disks.get(kind))

    def _first(self, ask: Callable[[PriceList], float | None]) -> Price | None:
        for one in self._lists:
            if (dollars := ask(one)) is not None:
                return Price(dollars, one.source, one.as_of)
        return None


def read(file: Path) -> tuple[PriceList, ...]:
    """The lists of a file.

    Raises:
        PricesUnreadable: it can't be read, or is no JSON.
        SpecError: it has another form; has every problem.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PricesUnreadable(f"{file}: {error.strerror}", "name a file with prices") from error
    except ValueError as error:
        raise PricesUnreadable(f"{file} is no JSON: {error}", "correct it") from error
    try:
        if not isinstance(data, Mapping):
            raise SpecError([Problem("", f"must be an object (got {show(data)})", 'Write {"lists": [...]}.')])
        return PriceFile(**data).lists
    except SpecError as error:
        raise SpecError(error.problems, str(file)) from None
