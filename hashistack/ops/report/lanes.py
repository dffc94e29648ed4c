"""A pool's machines over time: a lane each, or how many are in each state where there are too many for lanes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape

from hashistack.ops.report.axis import LEFT, WIDTH, Axis, scale, text_at
from hashistack.ops.report.timeline import Lane, Pool, Reign

FOLD = 60
"""A pool with more machines than this is drawn as how many are in each state."""

LETTER = 6.4
"""Pixels of one character at most, in the chart's 11 px font."""

ORDER = ("old", "new", "booting", "draining", "leaving", "unhealthy")
"""States of a folded pool, from the axis up. Machines in service are told apart by what they booted from."""

BADGE = 8
"""Half of the width that a leader's badge takes."""

_ROWS = {"consul": 0, "nomad": 1, "vault": 2}


def height(lanes: int) -> int:
    """Pixels of a lane, when its pool has so many; a fifth of it more is the gap below."""
    return 22 if lanes <= 16 else 16 if lanes <= 40 else 10


def folds(pool: Pool) -> bool:
    """Whether the pool has too many machines for a lane each."""
    return len(pool.lanes) > FOLD


def state(lane: Lane, life: str) -> str:
    """The class of a segment: machines in service are `new` or `old`, the others are what they are."""
    if life in ("healthy", "voter"):
        return "new" if lane.new else "old"
    return life


def heading(pool: Pool) -> str:
    """The pool's name and how many machines it has had."""
    here = len(pool.lanes)
    return f"{pool.name} · {here} machine{'s' if here != 1 else ''}"


def _cut(text: str, pixels: float) -> str:
    most = int(pixels / LETTER)
    return text if len(text) <= most else text[: max(most - 1, 1)] + "…"


def single(pool: Pool, reigns: Sequence[Reign], axis: Axis, y: float) -> tuple[list[str], float]:
    """A lane a machine, from `y` down; answers where the next thing may begin, too."""
    parts, tall = [], height(len(pool.lanes))
    for lane in pool.lanes:
        parts.append(f'<g class="lane" data-machine="{escape(lane.machine)}" data-pool="{escape(pool.name)}">')
        parts.append(text_at(LEFT - 8, y + tall / 2 + 4, _cut(lane.machine, LEFT - 8), "name", "end"))
        until = axis.end if lane.gone is None else lane.gone
        led = [replace(r, end=min(r.end, until)) for r in reigns if r.machine == lane.machine and r.begin < until]
        badges = _badges(led, axis)
        parts += _segments(lane, axis, y, tall, [middle for _, middle in badges])
        if lane.gone is not None:
            x, middle = axis.x(lane.gone), y + tall / 2
            title = f"<title>{escape(lane.machine)} gone at {axis.clock(lane.gone)}</title>"
            parts.append(f'<path d="M{x - 3:g},{middle - 3:g} l6,6 m0,-6 l-6,6" class="gone">{title}</path>')
        parts += _crowns(badges, axis, y, tall)
        parts.append("</g>")
        y += tall + tall // 5
    return parts, y


def _segments(lane: Lane, axis: Axis, y: float, tall: int, taken: Sequence[float]) -> Iterator[str]:
    for segment in lane.segments:
        x, until = axis.x(segment.begin), axis.x(segment.end)
        width, kind = round(max(until - x, 1.0), 1), state(lane, segment.state)
        boots = f", bundle {lane.bundle[:12]}" if lane.bundle else ""
        said = f"{lane.machine}: {segment.state} {axis.clock(segment.begin)} to {axis.clock(segment.end)}{boots}"
        yield (
            f'<rect x="{x}" y="{y:g}" width="{width}" height="{tall}" rx="2" class="segment {kind}" '
            f'data-state="{segment.state}"><title>{escape(said)}</title></rect>'
        )
        wide = len(segment.state) * LETTER
        starts = [start for start in (x, *(middle + BADGE - 4 for middle in taken)) if x <= start < until - wide - 8]
        free = (s + 6 for s in starts if all(b + BADGE < s + 6 or b - BADGE > s + 6 + wide for b in taken))
        if tall >= 16 and (start := next(free, None)):
            # A little higher where the leaders' lines are.
            yield text_at(start, y + tall / 2 + (2 if taken else 4), segment.state, f"label {kind}")


def _badges(reigns: Sequence[Reign], axis: Axis) -> list[tuple[Reign, float]]:
    """Where each reign's badge goes: at its beginning, or behind the badge that is there already."""
    placed: list[tuple[Reign, float]] = []
    for reign in reigns:
        behind = placed[-1][1] + 2 * BADGE if placed else 0.0
        placed.append((reign, min(max(axis.x(reign.begin) + BADGE, behind), WIDTH - BADGE)))
    return placed


def _crowns(badges: Sequence[tuple[Reign, float]], axis: Axis, y: float, tall: int) -> Iterator[str]:
    """A line along the lane while its machine leads, with the product's letter where it begins."""
    for reign, middle in badges:
        x, until, level = axis.x(reign.begin), axis.x(reign.end), y + tall - 1 - _ROWS[reign.product] * 2
        title = f"<title>{escape(reign.machine)} leads {reign.product} from {axis.clock(reign.begin)}</title>"
        yield f'<g class="leads {reign.product}" data-product="{reign.product}">{title}'
        yield f'<line x1="{x}" x2="{until}" y1="{level:g}" y2="{level:g}"/>'
        yield f'<circle cx="{middle:g}" cy="{y + tall / 2:g}" r="{min(7, tall // 2)}"/>'
        yield text_at(middle, y + tall / 2 + 3.5, reign.product[0].upper(), "letter", "middle") + "</g>"


def counts(pool: Pool) -> list[tuple[float, dict[str, int]]]:
    """How many of the pool's machines are in each state (`ORDER`), from each moment at which that changes."""
    changes: dict[float, dict[str, int]] = {}
    for lane in pool.lanes:
        for segment in lane.segments:
            for at, one in ((segment.begin, 1), (segment.end, -1)):
                kind, there = state(lane, segment.state), changes.setdefault(at, {})
                there[kind] = there.get(kind, 0) + one
    # What ends with the last event has not gone: the picture ends there.
    now, found = dict.fromkeys(ORDER, 0), []
    for at in sorted(changes):
        now = {kind: number + changes[at].get(kind, 0) for kind, number in now.items()}
        found.append((at, now))
    return found


def folded(pool: Pool, axis: Axis, y: float) -> tuple[list[str], float]:
    """How many machines are in each state, one upon the other; answers where the next thing may begin, too."""
    found, tall = counts(pool), 120.0
    most = max((sum(now.values()) for _, now in found), default=0)
    if not most:
        return [], y
    ends = [at for at, _ in found[1:]] + [found[-1][0]]
    parts = [f'<g class="folded" data-pool="{escape(pool.name)}">', *scale(y, tall, ((0, "0"), (1, f"{most}")))]
    for index, kind in enumerate(ORDER):
        path = ""
        for (at, now), until in zip(found, ends, strict=True):
            if not now[kind] or until == at:
                continue
            below = sum(now[each] for each in ORDER[:index])
            top, bottom = (y + tall * (1 - number / most) for number in (below + now[kind], below))
            path += f"M{axis.x(at)},{bottom:.1f}V{top:.1f}H{axis.x(until)}V{bottom:.1f}Z"
        if path:
            peak = max(now[kind] for _, now in found)
            said = {"new": "in service, new", "old": "in service, old"}.get(kind, kind)
            title = f"<title>{escape(pool.name)}: {said}, at most {peak} of {most} machines</title>"
            parts.append(f'<path d="{path}" class="segment {kind}" data-state="{kind}">{title}</path>')
    return [*parts, "</g>"], y + tall
