"""The rollout report: its page read back by an HTML parser and compared with the events."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from hashistack.ops.report import ReportUnwritable, data, html, timeline, write
from hashistack.ops.report.axis import LEFT, PLOT, Axis, clock
from hashistack.ops.report.page import spell
from hashistack.ops.report.samples import Sample
from hashistack.ops.rollout.events import (
    Event,
    LeaderEvent,
    Life,
    MachineEvent,
    NoticeEvent,
    ResultEvent,
    RolloutEvent,
    StepEvent,
)

START = 1732435200.0
VOID = {"meta", "link", "img", "br", "input", "hr"}


@dataclass
class Element:
    """An element of the page."""

    tag: str
    attributes: dict[str, str | None]
    children: list[Element] = field(default_factory=list)
    said: str = ""

    def all(self, tag: str = "", kind: str = "") -> list[Element]:
        """Every element below, of a tag and with a class, in the page's order."""
        found = []
        for child in self.children:
            if (not tag or child.tag == tag) and (not kind or kind in (child.attributes.get("class") or "").split()):
                found.append(child)
            found += child.all(tag, kind)
        return found

    @property
    def text(self) -> str:
        return self.said + " ".join(child.text for child in self.children)

    def number(self, name: str) -> float:
        return float(self.attributes[name] or "")


class Page(HTMLParser):
    """Reads a page strictly: what is opened is closed, in its order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]
        self.feed(text)
        self.close()
        assert self._open == [self.root], f"never closed: {self._open[-1].tag}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute is there twice in {tag}"
        element = Element(tag, dict(attrs))
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"{tag} closes {self._open[-1].tag}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].said += data


def moved(machine: str, *states: tuple[float, Life], pool: str = "workers", bundle: str = "new") -> list[Event]:
    return [MachineEvent(START + at, machine, pool, state, bundle) for at, state in states]


def replaced() -> list[Event]:
    """One server and one client replaced in a hundred seconds."""
    return [
        RolloutEvent(START, "shop", ("Nomad 1.10.5 to 1.11.3",)),
        *moved("server-1", (0, "voter"), (40, "leaving"), (50, "gone"), pool="server", bundle="old"),
        *moved("server-2", (10, "booting"), (20, "healthy"), (30, "voter"), pool="server"),
        *moved("workers-1", (0, "healthy"), (70, "draining"), (90, "gone"), bundle="old"),
        *moved("workers-2", (50, "booting"), (60, "healthy")),
        LeaderEvent(START, "nomad", "server-1"),
        LeaderEvent(START + 35, "nomad", "server-2"),
        StepEvent(START + 10, "server: start server-2", "begun"),
        StepEvent(START + 30, "server: start server-2", "done", 20.0),
        ResultEvent(START + 100, True, "every machine is up to date", 100.0, 2),
    ]


def probed(seconds: int = 100, failed: Sequence[int] = ()) -> list[Sample]:
    return [
        Sample(START + at, "workers-1", 200, 3 * (at in failed), 2.0, 8.0, ("connect: timed out",) * 3 * (at in failed))
        for at in range(seconds)
    ]


def page(events: Sequence[Event], seen: Sequence[Sample] = ()) -> Element:
    return Page(html(timeline(events), seen)).root


def tile(root: Element, name: str) -> Element:
    (tiles,) = root.all("dl", "tiles")
    found = {each.all("dt")[0].text: each.all("dd")[0] for each in tiles.all("div")}
    return found[name]


def latency(root: Element) -> list[str]:
    """The paths of p50 and p99 in the chart."""
    (panel,) = root.all("g", "latency")
    return [panel.all("path", name)[0].attributes["d"] or "" for name in ("p50", "p99")]


def test_each_machine_has_a_lane_and_servers_come_first() -> None:
    lanes = page(replaced()).all("g", "lane")
    assert [lane.attributes["data-machine"] for lane in lanes] == ["server-1", "server-2", "workers-1", "workers-2"]
    clients_first = sorted(replaced(), key=lambda event: isinstance(event, MachineEvent) and event.pool == "server")
    shifted = [replace(event, at=event.at + n / 1e6) for n, event in enumerate(clients_first)]
    assert page(shifted).all("g", "lane")[0].attributes["data-pool"] == "server"


def test_segments_are_where_their_events_were() -> None:
    lanes = {lane.attributes["data-machine"]: lane for lane in page(replaced()).all("g", "lane")}
    seen = {
        name: [
            (
                rect.attributes["data-state"],
                round((rect.number("x") - LEFT) / PLOT * 100, 1),
                round((rect.number("x") + rect.number("width") - LEFT) / PLOT * 100, 1),
            )
            for rect in lane.all("rect", "segment")
        ]
        for name, lane in lanes.items()
    }
    # The picture is a hundred seconds wide, so its percent are seconds.
    assert seen == {
        "server-1": [("voter", 0, 40), ("leaving", 40, 50)],
        "server-2": [("booting", 10, 20), ("healthy", 20, 30), ("voter", 30, 100)],
        "workers-1": [("healthy", 0, 70), ("draining", 70, 90)],
        "workers-2": [("booting", 50, 60), ("healthy", 60, 100)],
    }
    assert [name for name, lane in lanes.items() if lane.all("path", "gone")] == ["server-1", "workers-1"]
    tops = [lane.all("rect", "segment")[0].number("y") for lane in lanes.values()]
    assert tops == sorted(set(tops))


def test_old_machines_and_new_ones_are_told_apart_in_shape_and_words() -> None:
    root = page(replaced())
    kinds = {
        lane.attributes["data-machine"]: {
            (r.attributes["class"] or "").split()[-1] for r in lane.all("rect", "segment")
        }
        for lane in root.all("g", "lane")
    }
    assert kinds["server-1"] == {"old", "leaving"}
    assert kinds["server-2"] == {"new", "booting"}
    assert "in service, to be replaced" in root.all("ul", "legend")[0].text
    for lane in root.all("g", "lane"):
        for rect in lane.all("rect", "segment"):
            assert f"{lane.attributes['data-machine']}: {rect.attributes['data-state']}" in rect.all("title")[0].text


def test_leaders_are_marked_on_the_lane_of_their_machine() -> None:
    lanes = {lane.attributes["data-machine"]: lane for lane in page(replaced()).all("g", "lane")}
    (first,), (second,) = (lanes[name].all("g", "leads") for name in ("server-1", "server-2"))
    assert first.all("line")[0].number("x2") == second.all("line")[0].number("x1")
    assert second.all("line")[0].number("x1") == pytest.approx(LEFT + PLOT * 0.35, abs=0.1)
    assert second.text.endswith("N")


def test_the_figures() -> None:
    root = page(replaced(), probed(failed=[50]))
    assert root.all("h1")[0].text == "shop: 2 machines replaced in 1 min 40 s"
    assert "Nomad 1.10.5 to 1.11.3" in root.all("ul", "changes")[0].text
    assert tile(root, "requests").said.strip() == "20,000"
    assert tile(root, "failed").said.strip() == "3"
    assert tile(root, "failed").attributes["class"] == "bad"
    assert tile(root, "p99").said.strip() == "≤ 8.0 ms"


def test_failures_are_shown_where_and_what_they_were() -> None:
    root = page(replaced(), probed(failed=[50, 51]))
    bars = root.all("rect", "failed")
    assert [bar.attributes["data-failed"] for bar in bars] == ["3", "3"]
    assert bars[0].number("x") == pytest.approx(LEFT + PLOT * 0.5, abs=0.1)
    assert "connect: timed out" in root.text
    whole = page(replaced(), probed())
    assert not whole.all("rect", "failed")
    assert tile(whole, "failed").attributes["class"] == "good"
    assert "none" in whole.all("g", "failures")[0].text


def test_rate_and_latency_are_on_the_same_axis() -> None:
    root = page(replaced(), probed())
    (area,) = root.all("g", "rate")[0].all("path")
    edges = [float(x) for x in re.findall(r"[MH]([\d.]+)", area.attributes["d"] or "")]
    assert (min(edges), max(edges)) == (LEFT, LEFT + PLOT)
    p50, p99 = latency(root)
    assert p50.count("M") == p99.count("M") == 1
    assert p50.count("L") == 99
    # Larger is further up.
    assert float(p99.split(",")[1].split("L")[0]) < float(p50.split(",")[1].split("L")[0])
    gap = [sample for sample in probed() if not 20 <= sample.at - START < 30]
    assert latency(page(replaced(), gap))[0].count("M") == 2


def test_a_probe_longer_than_the_rollout_keeps_the_clock_of_the_rollout() -> None:
    root = page(replaced(), [replace(sample, at=sample.at - 10) for sample in probed(120)])
    (first,) = (lane for lane in root.all("g", "lane") if lane.attributes["data-machine"] == "server-1")
    assert "server-1: voter 0:00 to 0:40" in first.text
    assert first.all("rect", "segment")[0].number("x") == pytest.approx(LEFT + PLOT * 10 / 120, abs=0.1)


def test_an_hours_long_probe_is_drawn_in_few_points_and_loses_no_failure() -> None:
    root = page(replaced(), probed(7200, failed=[3600]))
    assert latency(root)[0].count("L") < 700
    assert [bar.attributes["data-failed"] for bar in root.all("rect", "failed")] == ["3"]


def test_steps_are_a_table_with_their_seconds() -> None:
    unfinished = StepEvent(START + 60, "workers: drain workers-1", "begun")
    failed = StepEvent(START + 99, "workers: start workers-3", "failed", 4.5)
    rows = [row.text for row in page([*replaced(), unfinished, failed]).all("table")[0].all("tr")]
    assert [" ".join(row.split()) for row in rows[1:]] == [
        "0:10 server: start server-2 20.0",
        "1:00 workers: drain workers-1 not finished",
        "1:34 workers: start workers-3 ✗ failed 4.5",
    ]


def test_a_failed_run_says_why() -> None:
    events = [*replaced()[:-1], ResultEvent(START + 100, False, "the canary never became healthy", 100.0, 1)]
    (verdict,) = page(events).all("p", "verdict")
    assert (verdict.text, verdict.attributes["class"]) == ("the canary never became healthy", "verdict bad")


def test_what_is_worth_knowing_stands_on_the_page_once() -> None:
    notices = [NoticeEvent(START + at, "default/<b>web</b> was broken before") for at in (5, 50)]
    (noticed,) = page([*replaced(), *notices]).all("ul", "notices")
    assert [item.text for item in noticed.all("li")] == ["default/<b>web</b> was broken before"]
    assert not page(replaced()).all("ul", "notices")


def test_a_resumed_rollout_is_one_report() -> None:
    first = [event for event in replaced() if event.at < START + 70 and not isinstance(event, ResultEvent)]
    again = [replace(event, at=event.at + 500) for event in [replaced()[0], *replaced()[-1:]]]
    rest = [
        replace(event, at=event.at + 500) for event in moved("workers-1", (0, "healthy"), (70, "gone"), bundle="old")
    ]
    line = timeline([*first, *again, *rest])
    assert len(line.runs) == 2
    assert line.runs[0].result is None
    assert line.seconds == pytest.approx(60 + 100)
    assert line.changes == ("Nomad 1.10.5 to 1.11.3",)
    root = Page(html(line, [])).root
    assert "in 2 runs" in root.all("p", "when")[0].text
    (lane,) = (lane for lane in root.all("g", "lane") if lane.attributes["data-machine"] == "workers-1")
    # The same state, seen again by the second run, is one segment.
    assert [rect.attributes["data-state"] for rect in lane.all("rect", "segment")] == ["healthy"]
    assert len(root.all("line", "run")) == 1


def test_a_run_that_looks_first_and_follows_one_that_was_killed_begins_with_its_look() -> None:
    looks = [replace(event, at=START + 300) for event in moved("workers-1", (0, "healthy"), bundle="old")]
    begun = [replace(event, at=event.at + 304) for event in replaced() if isinstance(event, RolloutEvent | ResultEvent)]
    line = timeline([*replaced()[:-1], *looks, *begun])
    assert [run.begin - START for run in line.runs] == [0, 300]
    # It was gone before, and is there again: a lane says what was seen.
    assert line.runs[0].end == START + 90


def test_a_machine_is_gone_when_that_is_first_seen() -> None:
    again = moved("workers-1", (95, "gone"), (99, "gone"), bundle="old")
    pool = timeline([*replaced(), *again]).pools[1]
    assert pool.lanes[0].gone == START + 90
    assert pool.lanes[0].segments[-1].end == START + 90


def test_what_is_wanted_tells_old_machines_where_none_was_started() -> None:
    events = [
        RolloutEvent(START, "shop", bundles={"workers": "new"}),
        *moved("workers-1", (0, "healthy"), bundle="old"),
    ]
    (pool,) = timeline([*events, ResultEvent(START + 9, False, "", 9.0)]).pools
    assert (pool.bundle, pool.lanes[0].new) == ("new", False)
    (untold,) = timeline(events[1:]).pools
    assert (untold.bundle, untold.lanes[0].new) == ("old", True)


def test_a_long_reason_keeps_its_lines() -> None:
    root = page([*replaced()[:-1], ResultEvent(START + 100, False, "not healthy\nlog <1>\nlog 2", 100.0)])
    assert root.all("p", "verdict")[0].text == "not healthy"
    assert root.all("pre")[0].text == "log <1>\nlog 2"


def test_a_run_that_was_cut_off_says_what_to_do() -> None:
    (verdict,) = page(replaced()[:-1]).all("p", "verdict")
    assert verdict.attributes["class"] == "verdict wait"
    assert "The same command resumes it" in verdict.text


def test_no_event_and_no_probe_is_a_page_too() -> None:
    root = page([])
    assert root.all("h1")[0].text == "No event was recorded"
    assert tile(root, "requests").text.split() == ["none", "no", "probe", "ran"]
    assert not root.all("svg", "chart")
    alone = page([], probed())
    assert latency(alone)[0].count("L") == 99
    assert tile(alone, "requests").said.strip() == "20,000"


@pytest.mark.parametrize("machines", [5, 60])
def test_up_to_sixty_machines_have_a_lane_each(machines: int) -> None:
    events = [event for n in range(machines) for event in moved(f"workers-{n}", (0, "healthy"), (60, "gone"))]
    root = page([*events, ResultEvent(START + 100, True, "", 100.0)])
    assert len(root.all("g", "lane")) == machines
    tops = sorted(lane.all("rect", "segment")[0].number("y") for lane in root.all("g", "lane"))
    tall = root.all("g", "lane")[0].all("rect", "segment")[0].number("height")
    assert all(after - before >= tall for before, after in pairwise(tops))


def test_a_larger_pool_is_folded_to_counts_and_the_picture_stays_small() -> None:
    old = [e for n in range(500) for e in moved(f"w-{n}", (0, "healthy"), (50, "gone"), bundle="old")]
    new = [e for n in range(500, 1000) for e in moved(f"w-{n}", (10, "booting"), (50, "healthy"))]
    root = page([*replaced(), *old, *new])
    (folded,) = root.all("g", "folded")
    assert {path.attributes["data-state"] for path in folded.all("path")} == {"old", "new", "booting", "draining"}
    assert "in service, old, at most 501 of 1001 machines" in folded.text
    # The two servers keep their lanes, and every machine is in the table of words.
    assert [lane.attributes["data-machine"] for lane in root.all("g", "lane")] == ["server-1", "server-2"]
    assert "w-999" in root.all("details")[0].text
    assert float((root.all("svg", "chart")[0].attributes["viewbox"] or "").split()[3]) < 600


AWKWARD = """<script>alert(1)</script>"'&${css}$title"""


def test_what_comes_from_outside_is_text_and_nothing_else() -> None:
    events: list[Event] = [
        RolloutEvent(START, AWKWARD, (AWKWARD,)),
        MachineEvent(START, AWKWARD, AWKWARD, "voter", AWKWARD),
        LeaderEvent(START, "consul", AWKWARD),
        StepEvent(START, AWKWARD, "failed", 1.0),
        ResultEvent(START + 9, False, AWKWARD, 9.0),
    ]
    text = html(timeline(events), [Sample(START, AWKWARD, 1, 1, 0.0, 0.0, (AWKWARD,))])
    root = Page(text).root
    assert not root.all("script")
    assert root.all("g", "lane")[0].attributes["data-machine"] == AWKWARD
    assert root.all("p", "verdict")[0].text == AWKWARD
    assert AWKWARD in root.all("title")[0].text
    usual = page([*replaced(), StepEvent(START, "x", "failed", 1.0)], probed(failed=[5]))
    assert {element.tag for element in root.all()} <= {element.tag for element in usual.all()}


def test_the_page_asks_nobody_for_anything() -> None:
    text = html(timeline(replaced()), probed(failed=[50]))
    root = Page(text).root
    policy = {meta.attributes.get("http-equiv"): meta.attributes.get("content") for meta in root.all("meta")}
    assert policy["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<)]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, which nobody fetches
    for element in root.all():
        assert not {"src", "href", "xlink:href", "action"} & element.attributes.keys()
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"#booting", "#draining", "#leaving", "#unhealthy"}


def test_the_picture_has_a_name_and_a_description() -> None:
    (picture,) = page(replaced(), probed()).all("svg", "chart")
    assert picture.attributes["role"] == "img"
    titles = {e.attributes.get("id"): e.text for e in picture.all("title") + picture.all("desc")}
    named = (picture.attributes["aria-labelledby"] or "").split()
    assert all(titles[name] for name in named)
    assert "server with 2 machines, workers with 2 machines" in titles["chart-desc"]


def test_both_files_are_written_and_say_the_same(tmp_path: Path) -> None:
    beside = write(replaced(), probed(failed=[50]), tmp_path / "roll.html")
    told = json.loads(beside.read_text())
    assert beside.name == "roll.json"
    assert told == json.loads(json.dumps(data(timeline(replaced()), probed(failed=[50]))))
    assert (told["cluster"], told["replaced"], told["probe"]["failed"]) == ("shop", 2, 3)
    assert told["machines"][0]["states"][1] == {"state": "leaving", "begin": START + 40, "end": START + 50}
    assert (tmp_path / "roll.html").read_text().startswith("<!doctype html>")


def test_where_it_can_not_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReportUnwritable, match=r"name it roll\.html"):
        write([], [], tmp_path / "roll.json")
    with pytest.raises(ReportUnwritable, match=r"gone/roll\.html can't be written: No such file"):
        write([], [], tmp_path / "gone" / "roll.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (59.97, "1 min 0 s"), (252, "4 min 12 s"), (7500, "2 h 5 min")],
)
def test_durations_as_people_say_them(seconds: float, said: str) -> None:
    assert spell(seconds) == said


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (65, "1:05"), (7380, "2:03:00"), (-5, "-0:05")])
def test_the_axis_clock(seconds: float, said: str) -> None:
    assert clock(seconds) == said


@pytest.mark.parametrize("seconds", [0.0, 3.0, 100.0, 4000.0, 86400.0, 40 * 86400.0])
def test_the_axis_has_few_round_ticks_and_zero_among_them(seconds: float) -> None:
    axis = Axis(START - seconds / 10, START + seconds, START)
    ticks = axis.ticks()
    assert START in ticks
    assert len(ticks) <= 13
    assert all(axis.begin <= tick <= axis.end for tick in ticks)
