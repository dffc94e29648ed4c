"""The rollout report: one HTML file that needs nothing else, and the same as JSON beside it.

Pure but for `write`. Whatever comes from outside (names, texts, errors) is escaped; the page's own policy forbids
scripts and requests.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from hashistack.errors import HashistackError
from hashistack.ops.report import chart, lanes, samples
from hashistack.ops.report.axis import clock
from hashistack.ops.report.samples import Sample, Totals
from hashistack.ops.report.timeline import Lane, Pool, Step, Timeline, timeline
from hashistack.ops.rollout.events import Event
from hashistack.version import VERSION

POINTS = 700
"""At most this many stretches of the probe are drawn: more than one a pixel and a half can't be told apart."""

_HERE = Path(__file__).parent


class ReportUnwritable(HashistackError):
    """The report can't be written; the text says where and why."""


def write(events: Iterable[Event], seen: Sequence[Sample], file: Path) -> Path:
    """Write the page to `file` and its data to the same name with `.json`; answers the latter.

    Raises:
        ReportUnwritable: the directory is missing or not writable, or `file` itself ends with .json.
    """
    beside = file.with_suffix(".json")
    if beside == file:
        raise ReportUnwritable(f"{file}: the report is HTML and its data goes beside it; name it {file.stem}.html")
    line = timeline(events)
    try:
        file.write_text(html(line, seen), encoding="utf-8")
        beside.write_text(json.dumps(data(line, seen), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ReportUnwritable(f"{error.filename or file} can't be written: {error.strerror}") from None
    return beside


def data(line: Timeline, seen: Sequence[Sample]) -> dict[str, Any]:
    """The report as plain data. Times are seconds since 1970, latencies milliseconds."""
    total, result = samples.totals(seen), line.result
    machines = [
        {
            "machine": lane.machine,
            "pool": pool.name,
            "bundle": lane.bundle,
            "gone": lane.gone,
            "states": [{"state": s.state, "begin": s.begin, "end": s.end} for s in lane.segments],
        }
        for pool in line.pools
        for lane in pool.lanes
    ]
    probe = {**vars(total), "errors": dict(total.errors), "seconds": [vars(s) for s in samples.stretches(seen)]}
    return {
        "cluster": line.cluster,
        "changes": list(line.changes),
        "notices": list(line.notices),
        "begin": line.begin,
        "end": line.end,
        "seconds": line.seconds,
        "replaced": line.replaced,
        "result": result.as_json() if result else None,
        "runs": len(line.runs),
        "machines": machines,
        "leaders": [vars(reign) for reign in line.reigns],
        "steps": [vars(step) for step in line.steps],
        "probe": probe if seen else None,
    }


def html(line: Timeline, seen: Sequence[Sample]) -> str:
    """The page: verdict, figures, the picture, the steps, and the picture in words."""
    first = int(min((sample.at for sample in seen), default=0))
    last = int(max((sample.at for sample in seen), default=0))
    width = max(1, math.ceil((last - first + 1) / POINTS))
    total = samples.totals(seen) if seen else None
    verdict, text = _verdict(line)
    return Template((_HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"Rollout of {line.cluster}" if line.cluster else "Rollout"),
        css=(_HERE / "page.css").read_text(encoding="utf-8"),
        heading=escape(_heading(line)),
        verdict=verdict,
        verdict_text=escape(text.partition("\n")[0]),
        why=f"<pre>{escape(rest)}</pre>" if (rest := text.partition("\n")[2]) else "",
        when=_when(line),
        changes=_list("changes", [escape(change) for change in line.changes or _bundles(line)]),
        notices=_list("notices", [escape(notice) for notice in line.notices]),
        tiles="\n".join(_tiles(line, total)),
        errors=_errors(total) if total and total.failed else "",
        legend=_legend(line, bool(seen)),
        chart=chart.draw(line, samples.stretches(seen, width), width),
        steps=_steps(line) if line.steps else "<p>No step was recorded.</p>",
        details=_details(line) if line.pools else "",
        version=VERSION,
    )


def spell(seconds: float) -> str:
    """`0.4 s`, `4 min 12 s`, `2 h 5 min`: a duration as people say it."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def _heading(line: Timeline) -> str:
    if not line.runs:
        return "No event was recorded"
    moved = f"{line.replaced} machine{'' if line.replaced == 1 else 's'} replaced in {spell(line.seconds)}"
    return f"{line.cluster}: {moved}" if line.cluster else moved.capitalize()


def _verdict(line: Timeline) -> tuple[str, str]:
    if not line.runs:
        return "wait", "there is nothing to report"
    if line.result is None:
        return "wait", "No result: the last run was interrupted, or goes on. The same command resumes it."
    return ("good", line.result.text) if line.result.ok else ("bad", line.result.text)


def _when(line: Timeline) -> str:
    if not line.runs:
        return ""
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (line.begin, line.end))
    until = f"{end:%H:%M:%S}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    runs = f", in {len(line.runs)} runs" if len(line.runs) > 1 else ""
    return f'<time datetime="{begin:%Y-%m-%dT%H:%M:%SZ}">{begin:%Y-%m-%d %H:%M:%S}</time> to {until} UTC{runs}'


def _bundles(line: Timeline) -> list[str]:
    """What changed, where the events don't say it: the bundles of the pools of which machines were replaced."""
    told = []
    for pool in line.pools:
        old = dict.fromkeys(lane.bundle[:12] for lane in pool.lanes if not lane.new and lane.bundle)
        if old:
            told.append(f"{pool.name}: bundle {', '.join(old)} → {pool.bundle[:12]}")
    return told


def _list(kind: str, items: Sequence[str]) -> str:
    return f'<ul class="{kind}">{"".join(f"<li>{item}</li>" for item in items)}</ul>' if items else ""


def _tiles(line: Timeline, total: Totals | None) -> list[str]:
    pools = [f"{sum(lane.gone is not None for lane in pool.lanes)} {pool.name}" for pool in line.pools]
    tiles = [_tile("machines replaced", str(line.replaced), ", ".join(pools) if len(pools) <= 4 else "")]
    each = f"{spell(line.seconds / line.replaced)} a machine" if line.replaced else ""
    tiles.append(_tile("time", spell(line.seconds), each))
    if total is None:
        return [*tiles, _tile("requests", "none", "no probe ran")]
    tiles.append(_tile("requests", f"{total.requests:,}", f"at least {total.lowest:,} a second"))
    share = f"{total.failed / total.requests:.3%} of them" if total.failed else f"of {total.requests:,}"
    tiles.append(_tile("failed", f"{total.failed:,}", share, "bad" if total.failed else "good"))
    if total.p50_ms is not None and total.p99_ms is not None:
        bound, half = ("" if total.exact else "≤ "), ("" if total.exact else "about ")
        tiles.append(_tile("p99", f"{bound}{total.p99_ms:.1f} ms", f"p50 {half}{total.p50_ms:.1f} ms"))
    return tiles


def _tile(name: str, value: str, note: str = "", kind: str = "") -> str:
    return (
        f"<div><dt>{name}</dt><dd{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{value} "
        f"<small>{escape(note)}</small></dd></div>"
    )


def _errors(total: Totals) -> str:
    rows = [["", str(count), escape(text)] for text, count in total.errors]
    return f"<section><h2>What failed</h2>{_table(('times', 'what the probe saw'), rows, numbers=(0,))}</section>"


def _legend(line: Timeline, probed: bool) -> str:
    seen = {lanes.state(lane, s.state) for pool in line.pools for lane in pool.lanes for s in lane.segments}
    words = {"old": "in service, to be replaced", "new": "in service, up to date"}
    if "old" not in seen:
        words["new"] = "in service"
    swatch = '<svg width="22" height="14" aria-hidden="true">{}</svg>{}'
    items = [
        swatch.format(f'<rect width="22" height="14" rx="2" class="segment {kind}"/>', words.get(kind, kind))
        for kind in ("old", "booting", "new", "draining", "leaving", "unhealthy")
        if kind in seen
    ]
    if any(lane.gone is not None for pool in line.pools for lane in pool.lanes):
        items.append(swatch.format('<path d="M8,4 l6,6 m0,-6 l-6,6" class="gone"/>', "gone"))
    for product in sorted({reign.product for reign in line.reigns}):
        mark = '<circle cx="11" cy="7" r="6.5"/><text x="11" y="10.5" text-anchor="middle" class="letter">{}</text>'
        drawn = f'<g class="leads {product}">{mark.format(product[0].upper())}</g>'
        items.append(swatch.format(drawn, f"leads {product.capitalize()}"))
    if probed:
        items += [
            swatch.format(f'<path d="M0,7 h22" class="line {name}"/>', f"latency {name}") for name in ("p50", "p99")
        ]
    return _list("legend", items)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table of escaped cells; the first item of a row is the row's class."""
    kinds = ["number" if i in numbers else ("bar" if not head else "") for i, head in enumerate(heads)]
    attributes = [f' class="{kind}"' if kind else "" for kind in kinds]
    head = "".join(f'<th scope="col"{a}>{h}</th>' for h, a in zip(heads, attributes, strict=True))
    body = "".join(
        f"<tr{f' class={chr(34)}{row[0]}{chr(34)}' if row[0] else ''}>"
        + "".join(f"<td{a}>{cell}</td>" for cell, a in zip(row[1:], attributes, strict=True))
        + "</tr>\n"
        for row in rows
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def _steps(line: Timeline) -> str:
    rows = [_step(step, line) for step in line.steps]
    return _table(("at", "step", "seconds", ""), rows, numbers=(0, 2))


def _step(step: Step, line: Timeline) -> list[str]:
    ends = {
        "done": "",
        "failed": ' <strong class="bad">✗ failed</strong>',
        "begun": ' <em class="wait">not finished</em>',
    }
    taken = f"{step.seconds:.1f}" if step.seconds is not None else ""
    whole = max(line.end - line.begin, 1.0)
    x, wide = (100 * part / whole for part in (step.at - line.begin, step.seconds or 0.0))
    bar = (
        f'<svg aria-hidden="true"><rect x="{min(x, 99):.2f}%" width="{max(wide, 0.6):.2f}%" height="10" rx="2"/></svg>'
    )
    return [step.state, clock(step.at - line.begin), escape(step.text) + ends[step.state], taken, bar]


def _details(line: Timeline) -> str:
    rows = [_machine(pool, lane, line.begin) for pool in line.pools for lane in pool.lanes]
    told = _table(("machine", "pool", "bundle", "what it went through"), rows)
    parts = [f"<details><summary>Machines, in words</summary>{told}</details>"]
    if line.reigns:
        led = [
            ["", clock(reign.begin - line.begin), reign.product.capitalize(), escape(reign.machine)]
            for reign in line.reigns
        ]
        heads = ("from", "product", "leader")
        parts.append(f"<details><summary>Leaders, in words</summary>{_table(heads, led, numbers=(0,))}</details>")
    return "\n".join(parts)


def _machine(pool: Pool, lane: Lane, begin: float) -> list[str]:
    states = [f"{s.state} from {clock(s.begin - begin)} for {spell(s.seconds)}" for s in lane.segments]
    if lane.gone is not None:
        states.append(f"gone at {clock(lane.gone - begin)}")
    return ["", escape(lane.machine), escape(pool.name), f"<code>{escape(lane.bundle[:12])}</code>", "; ".join(states)]
