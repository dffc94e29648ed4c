"""A cluster's picture as one SVG: a column a zone, a row a pool, and in it a box a machine.

It needs nothing else, holds no script, and follows the reader's light or dark. Text is as wide as its font makes it, so
it is cut by a cautious estimate. States are told by words as well as by colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from html import escape

from hashistack.ops.graph.mermaid import kind
from hashistack.ops.graph.topology import Cell, Machine, Topology, cells, heading, others, releases, title, told

WIDTH, EDGE, GAP = 760, 20, 10
BOX, TALL, LINE = 160, 44, 16
"""A machine's least width, its height with one line below its name, and that of another."""
LETTER, SMALL = 7.4, 6.2
"""Pixels of one character at most: a name's, and of what stands below it."""

_LIGHT = {
    "paper": ("#ffffff", "#d9dce3"),
    "pool": ("#f3f5f9", "none"),
    "box": ("#ffffff", "#c6cad4"),
    "name": ("#1c1d22", "none"),
    "soft": ("#5c606b", "none"),
    "strip.healthy": ("#1f9d5c", "none"),
    "strip.usual": ("#8b90a0", "none"),
    "strip.changing": ("#d9820f", "none"),
    "strip.bad": ("#c11d24", "none"),
    "note": ("#c11d24", "none"),
}
_DARK = {
    "paper": ("#15171c", "#2c3039"),
    "pool": ("#1d2027", "none"),
    "box": ("#262a33", "#434957"),
    "name": ("#eceef3", "none"),
    "soft": ("#a6acba", "none"),
    "strip.healthy": ("#35b476", "none"),
    "strip.usual": ("#7d8496", "none"),
    "strip.changing": ("#f2b04c", "none"),
    "strip.bad": ("#ff6b70", "none"),
    "note": ("#ff7b80", "none"),
}
_PRODUCTS = {"consul": ("#e03875", "#ffffff"), "nomad": ("#06d092", "#10120f"), "vault": ("#ffcf25", "#10120f")}
"""The products' own colours, and what is read on them."""


def svg(topology: Topology) -> str:
    """The picture. Its height follows from the machines; `WIDTH` is that of its own units, and it scales."""
    zones = topology.zones
    rows = [(pool, cells(pool, zones)) for pool in topology.pools]
    columns = len(zones) + any(cell.zone == "" for _, found in rows for cell in found)
    wide = max((WIDTH - 2 * (EDGE + GAP) + GAP) / columns - GAP, BOX)
    width = round(2 * (EDGE + GAP) + columns * (wide + GAP) - GAP)
    room, y = width - 2 * EDGE, 56.0
    parts = [_text(EDGE, 36, _cut(title(topology), room, 10), "name title")]
    parts.append(_text(EDGE, y, _cut(releases(topology), room, SMALL), "soft"))
    if zones:
        y += 26
        named = (*zones, "in no zone")[:columns]
        parts += [_text(_left(number, wide), y, zone, "soft") for number, zone in enumerate(named)]
    for pool, found in rows:
        y += GAP
        lines = max((len(_below(machine, topology)) for cell in found for machine in cell.machines), default=0)
        tall, boxes, bottom = TALL + LINE * max(0, lines - 1), [], y + 32
        for number, cell in enumerate(found):
            made, end = _cell(topology, pool.name, cell, _left(number, wide), wide, y + 32, tall)
            boxes += made
            bottom = max(bottom, end)
        parts.append(f'<rect x="{EDGE}" y="{y:g}" width="{room}" height="{bottom - y + GAP:g}" rx="8" class="pool"/>')
        parts += [_text(EDGE + GAP, y + 21, _cut(heading(pool), room - 2 * GAP, LETTER), "name"), *boxes]
        y = bottom + GAP
    for note, kinds in _foot(topology):
        y += 20
        parts.append(_text(EDGE, y, _cut(note, room, SMALL), kinds))
    height = round(y + EDGE)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title(topology))}</title><desc>{escape(_description(topology))}</desc>",
            f"<style>{_style()}</style>",
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="12" class="paper"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _left(column: int, wide: float) -> float:
    return EDGE + GAP + column * (wide + GAP)


def _foot(topology: Topology) -> Iterator[tuple[str, str]]:
    """What stands below the pools: a text, and its class."""
    leads = sorted({product for pool in topology.pools for machine in pool.machines for product in machine.leads})
    if leads:
        yield " · ".join(f"{product[0].upper()}: leads {product}" for product in leads), "soft"
    yield from ((note, "note") for note in topology.notes)


def _cell(
    topology: Topology, pool: str, cell: Cell, left: float, wide: float, y: float, tall: int
) -> tuple[list[str], float]:
    """The boxes of one pool in one zone, from `y` down; answers where they end, too."""
    fit = max(1, int((wide + GAP) // (BOX + GAP)))
    each = (wide + GAP) / fit - GAP
    made = [partial(_box, topology, machine, pool) for machine in cell.machines]
    made += [partial(_rest, cell.more)] if cell.more else []
    parts: list[str] = []
    for number, box in enumerate(made):
        parts += box(left + number % fit * (each + GAP), y + number // fit * (tall + GAP), each, tall)
    rows = -(-len(made) // fit)
    return parts, y + rows * (tall + GAP) - (GAP if rows else 0)


def _box(topology: Topology, machine: Machine, pool: str, x: float, y: float, wide: float, tall: int) -> Iterator[str]:
    name, below = machine.name or pool, _below(machine, topology)
    leads = [f"leads {', '.join(machine.leads)}"] if machine.leads else []
    dashed = ' stroke-dasharray="4 3"' if machine.state == "missing" else ""
    yield f"<g><title>{escape(f'{name}: ' + ', '.join([*below, *leads] or [machine.state]))}</title>"
    yield f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{tall}" rx="5" class="box"{dashed}/>'
    yield f'<rect x="{x:g}" y="{y:g}" width="5" height="{tall}" rx="2" class="strip {kind(machine)}"/>'
    room, first = wide - 24 - 20 * len(machine.leads), y + tall / 2 + 4.5 - LINE / 2 * len(below)
    yield _text(x + 14, first, _cut(name, room, LETTER), "name")
    for number, line in enumerate(below, 1):
        yield _text(x + 14, first + LINE * number, _cut(line, room, SMALL), "soft small")
    for number, product in enumerate(reversed(machine.leads)):
        (fill, ink), at, middle = _PRODUCTS[product], x + wide - 16 - 20 * number, y + tall / 2
        yield f'<circle cx="{at:g}" cy="{middle:g}" r="8.5" fill="{fill}"/>'
        letter = product[0].upper()
        yield f'<text x="{at:g}" y="{middle + 3.8:g}" text-anchor="middle" class="badge" fill="{ink}">{letter}</text>'
    yield "</g>"


def _below(machine: Machine, topology: Topology) -> list[str]:
    """The lines below a machine's name."""
    return [line for line in (told(machine), others(machine, topology)) if line]


def _rest(more: str, x: float, y: float, wide: float, tall: int) -> Iterator[str]:
    yield f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{tall}" rx="5" class="box"/>'
    yield _text(x + 14, y + tall / 2 + 4.5, _cut(more, wide - 24, SMALL), "soft")


def _text(x: float, y: float, text: str, kinds: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kinds}">{escape(text)}</text>'


def _cut(text: str, pixels: float, letter: float) -> str:
    most = int(pixels / letter)
    return text if len(text) <= most else text[: max(most - 1, 1)] + "…"


def _style() -> str:
    fonts = 'font:12.5px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",Arial,sans-serif'
    shape = f"text{{{fonts}}}.name{{font-weight:600}}.title{{font-size:18px}}.small{{font-size:11.5px}}"
    shape += ".badge{font-size:10px;font-weight:700}"
    return f"{shape}{_rules(_LIGHT)}@media(prefers-color-scheme:dark){{{_rules(_DARK)}}}"


def _rules(colours: dict[str, tuple[str, str]]) -> str:
    return "".join(f".{kinds}{{fill:{fill};stroke:{stroke}}}" for kinds, (fill, stroke) in colours.items())


def _description(topology: Topology) -> str:
    pools = "; ".join(f"{heading(pool)}" for pool in topology.pools)
    leaders = [f"{m.name} leads {', '.join(m.leads)}" for pool in topology.pools for m in pool.machines if m.leads]
    return ". ".join([pools, *leaders, *topology.notes])
