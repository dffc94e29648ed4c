"""A measured figure, its floor and its target, and how they are shown."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    value, floor: in `unit`; None for no floor. ratio_limit: most that `value / floor` may be. limit: most that `value`
    may be. note: what the figure is made of. load: the machine's load average over a minute when it was measured.
    """

    name: str
    value: float
    unit: str
    floor: float | None = None
    ratio_limit: float | None = None
    limit: float | None = None
    note: str = ""
    load: float = 0.0

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None

    @property
    def verdict(self) -> str:
        """``ok``, ``missed``, or ``stated`` where there is no target."""
        if self.limit is None and self.ratio_limit is None:
            return "stated"
        over = self.limit is not None and self.value > self.limit
        if self.ratio_limit is not None:
            over = over or self.ratio is None or self.ratio > self.ratio_limit
        return "missed" if over else "ok"

    @property
    def target(self) -> str:
        parts = [] if self.ratio_limit is None else [f"≤ {self.ratio_limit:g} x floor"]
        parts += [] if self.limit is None else [f"≤ {self.limit:g} {self.unit}"]
        return ", ".join(parts)


def load() -> float:
    """The load average over the last minute; a timing under load says little."""
    return round(os.getloadavg()[0], 1)


def show(figures: Sequence[Figure], output: str) -> None:
    """Print the figures as a table, or with ``output`` "json" as JSON."""
    if output == "json":
        extra = [{"ratio": f.ratio, "target": f.target, "verdict": f.verdict} for f in figures]
        print(json.dumps([{**asdict(f), **more} for f, more in zip(figures, extra, strict=True)], indent=1))
        return
    table = Table()
    for title in ("figure", "measured", "floor", "ratio", "target", "verdict", "load", "note"):
        table.add_column(title, justify="right" if title in ("measured", "floor", "ratio", "load") else "left")
    colours = {"ok": "green", "missed": "red", "stated": "dim"}
    for f in figures:
        table.add_row(
            f.name,
            _number(f.value, f.unit),
            "" if f.floor is None else _number(f.floor, f.unit),
            "" if f.ratio is None else f"{f.ratio:.2f}",
            f.target,
            f"[{colours[f.verdict]}]{f.verdict}[/]",
            f"{f.load:.1f}",
            f.note,
        )
    Console().print(table)


def _number(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 or value == int(value) else f"{value:.2f} {unit}"
