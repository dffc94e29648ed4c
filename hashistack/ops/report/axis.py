"""Time to pixels, and the few marks that every part of the chart uses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

LEFT, RIGHT, WIDTH = 132, 16, 1120
PLOT = WIDTH - LEFT - RIGHT
"""Pixels for the time axis."""

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


def clock(seconds: float) -> str:
    """`1:05`, `2:03:00`: minutes and seconds, with hours where there are any; `-0:05` is five seconds before."""
    whole = round(seconds)
    if whole < 0:
        return f"-{clock(-whole)}"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


@dataclass(frozen=True)
class Axis:
    """Time to pixels: `begin` is at the left edge of the plot, `end` at its right one; the clock starts at `zero`."""

    begin: float
    end: float
    zero: float

    @property
    def seconds(self) -> float:
        return max(self.end - self.begin, 1.0)

    def x(self, at: float) -> float:
        """Pixels from the left edge of the picture."""
        return round(LEFT + (at - self.begin) / self.seconds * PLOT, 1)

    def clock(self, at: float) -> str:
        """A moment as the axis tells it."""
        return clock(at - self.zero)

    def ticks(self) -> list[float]:
        """At most thirteen moments, a round number of seconds apart."""
        days = math.ceil(self.seconds / 12 / 86400) * 86400
        step = next((step for step in _STEPS if self.seconds / step <= 12), days)
        first, last = math.ceil((self.begin - self.zero) / step), math.floor((self.end - self.zero) / step)
        return [self.zero + step * i for i in range(first, last + 1)]


def text_at(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def scale(y: float, height: float, marks: Sequence[tuple[float, str]]) -> Iterator[str]:
    """Horizontal lines with their values; a mark is a share of the height and a text."""
    for share, text in marks:
        level = round(y + height * (1 - share), 1)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level}" y2="{level}" class="grid"/>'
        yield text_at(LEFT - 8, level + 4, text, "tick", "end")
