"""What a probe saw over time: rate, latency and failures, each a panel of the chart.

Each draws from `y` down and answers where the next thing may begin, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hashistack.ops.report.axis import LEFT, Axis, scale, text_at
from hashistack.ops.report.samples import Second


def _panel(title: str, kind: str, y: float) -> list[str]:
    return [f'<g class="panel {kind}">', text_at(0, y + 11, title, "pool")]


def _ceiling(value: float) -> int:
    """The next round number that is no smaller, and can be halved from ten on."""
    power = 10 ** math.floor(math.log10(max(value, 1)))
    return int(next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= value))


def rate(seconds: Sequence[Second], width: int, axis: Axis, y: float) -> tuple[list[str], float]:
    """Requests per second, as steps."""
    height, top = 70.0, _ceiling(max(second.requests / width for second in seconds))
    parts, y = _panel("requests per second", "rate", y), y + 20
    parts += scale(y, height, ((0, "0"), (0.5, f"{top / 2:g}"), (1, f"{top}")))
    path = "".join(
        f"M{axis.x(second.at)},{y + height:g}V{y + height * (1 - second.requests / width / top):.1f}"
        f"H{axis.x(second.at + width)}V{y + height:g}Z"
        for second in seconds
    )
    least = min(second.requests / width for second in seconds[1:-1] or seconds)
    return [
        *parts,
        f'<path d="{path}" class="area"><title>at least {least:.0f} a second</title></path></g>',
    ], y + height


def latency(seconds: Sequence[Second], width: int, axis: Axis, y: float) -> tuple[list[str], float]:
    """p50 and p99 on a logarithmic scale: half a millisecond and two seconds are both in it."""
    height, known = 90.0, [s for s in seconds if s.p50_ms is not None and s.p99_ms is not None]
    parts, y = _panel("latency, ms (log)", "latency", y), y + 20
    if not known:
        return [*parts, text_at(LEFT, y + 12, "no request was answered", "note"), "</g>"], y + 20
    low = math.floor(math.log10(max(min(s.p50_ms or 1.0 for s in known), 0.1)))
    high = max(math.ceil(math.log10(max(s.p99_ms or 1.0 for s in known))), low + 1)
    parts += scale(y, height, [((e - low) / (high - low), f"{10.0**e:g}") for e in range(low, high + 1)])
    for name in ("p99", "p50"):
        points, before = "", -math.inf
        for second in known:
            share = (math.log10(max(getattr(second, f"{name}_ms"), 10.0**low)) - low) / (high - low)
            # A stretch without an answer is a gap, not a slope.
            pen = "L" if second.at - before <= width else "M"
            points += f"{pen}{axis.x(second.at + width / 2)},{y + height * (1 - share):.1f}"
            before = second.at
        worst = max(getattr(second, f"{name}_ms") for second in known)
        parts.append(f'<path d="{points}" class="line {name}"><title>{name}, at most {worst:.1f} ms</title></path>')
    return [*parts, "</g>"], y + height


def failures(seconds: Sequence[Second], width: int, axis: Axis, y: float) -> tuple[list[str], float]:
    """A bar for each stretch in which a request failed, a word where none did."""
    failed = [second for second in seconds if second.failed]
    parts, y = _panel("failed requests", "failures", y), y + 20
    if not failed:
        return [*parts, text_at(LEFT, y - 9, "none", "note"), "</g>"], y
    height, top = 40.0, _ceiling(max(second.failed for second in failed))
    parts += scale(y, height, ((0, "0"), (1, f"{top}")))
    for second in failed:
        x, tall = axis.x(second.at), max(height * second.failed / top, 2)
        wide = max(axis.x(second.at + width) - x, 2)
        title = f"<title>{second.failed} of {second.requests} failed at {axis.clock(second.at)}</title>"
        parts.append(
            f'<rect x="{x}" y="{y + height - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}" class="failed" '
            f'data-failed="{second.failed}">{title}</rect>'
        )
    return [*parts, "</g>"], y + height
