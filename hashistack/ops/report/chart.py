"""The picture of a rollout as one SVG: a lane a machine, and what a probe saw, over the same time axis.

Text is as wide as its font makes it, so labels are only drawn where there is room by a cautious estimate. Colours and
patterns are classes of `page.css`; each shape has a <title>, which browsers show and screen readers read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from hashistack.ops.report import lanes, panels
from hashistack.ops.report.axis import WIDTH, Axis, text_at
from hashistack.ops.report.samples import Second
from hashistack.ops.report.timeline import Timeline


def draw(line: Timeline, seconds: Sequence[Second], width: int) -> str:
    """The whole picture. `seconds`: what a probe saw, in stretches of `width` seconds."""
    spans = [(line.begin, line.end)] if line.runs else []
    spans += [(seconds[0].at, seconds[-1].at + width)] if seconds else []
    if not spans:
        return "<p>There is nothing to draw.</p>"
    begin, end = min(begin for begin, _ in spans), max(end for _, end in spans)
    axis = Axis(begin, end, line.begin if line.runs else begin)
    parts: list[str] = []
    y = 26.0
    for pool in line.pools:
        parts.append(text_at(0, y + 11, lanes.heading(pool), "pool"))
        y += 20
        if lanes.folds(pool):
            made, y = lanes.folded(pool, axis, y)
        else:
            made, y = lanes.single(pool, line.reigns, axis, y)
        parts += made
        y += 12
    if seconds:
        for panel in (panels.rate, panels.latency, panels.failures):
            made, y = panel(seconds, width, axis, y + 18)
            parts += made
    frame = [*_grid(axis, y), *_runs(line, axis, y)]
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {y + 24:.0f}" role="img" aria-labelledby="chart-title chart-desc" '
        'xmlns="http://www.w3.org/2000/svg">'
        '<title id="chart-title">Timeline of the rollout</title>'
        f'<desc id="chart-desc">{escape(_description(line, seconds))}</desc>{_PATTERNS}'
        f"{''.join(frame)}{''.join(parts)}</svg>"
    )


def _description(line: Timeline, seconds: Sequence[Second]) -> str:
    pools = ", ".join(f"{pool.name} with {len(pool.lanes)} machines" for pool in line.pools) or "no machine"
    probe = "below them requests, latency and failures of the probe" if seconds else "without a probe"
    return f"One lane a machine: {pools}; {probe}. The tables below say the same in words."


# Not by colour alone: what is under way is hatched, each state in its own way.
_PATTERNS = "<defs>{}</defs>".format(
    "".join(
        f'<pattern id="{name}" width="{size}" height="{size}" patternUnits="userSpaceOnUse">'
        f'<rect width="{size}" height="{size}" class="ground {name}"/><path d="{path}" class="hatch {name}"/></pattern>'
        for name, size, path in (
            ("booting", 6, "M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2"),
            ("draining", 6, "M-1,5 l2,2 M0,0 l6,6 M5,-1 l2,2"),
            ("leaving", 4, "M2,0 v4"),
            ("unhealthy", 6, "M0,0 l6,6 M0,6 l6,-6"),
        )
    )
)


def _grid(axis: Axis, bottom: float) -> Iterator[str]:
    for tick in axis.ticks():
        x = axis.x(tick)
        yield f'<line x1="{x}" x2="{x}" y1="20" y2="{bottom:g}" class="grid"/>'
        # At the very edge a label would be cut off.
        anchor = "end" if x > WIDTH - 30 else "middle"
        yield from (text_at(x, y, axis.clock(tick), "tick", anchor) for y in (13, bottom + 15))


def _runs(line: Timeline, axis: Axis, bottom: float) -> Iterator[str]:
    for number, run in enumerate(line.runs[1:], 2):
        x = axis.x(run.begin)
        yield f"<g><title>run {number} begins at {axis.clock(run.begin)}</title>"
        yield f'<line x1="{x}" x2="{x}" y1="20" y2="{bottom:g}" class="run"/></g>'
        yield text_at(x + 4, 30, f"run {number}", "tick")
