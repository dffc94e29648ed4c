"""`hashistack status --watch`: a picture that follows the cluster; without a terminal, a line for each change."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from hashistack.cli.output import Output
from hashistack.cli.status import render
from hashistack.ops.rollout.events import (
    Event,
    LeaderEvent,
    MachineEvent,
    NoticeEvent,
    ResultEvent,
    RolloutEvent,
    StepEvent,
)
from hashistack.ops.rollout.follow import IN_SERVICE, Follower, Progress

SECONDS = 2.0
"""Between two looks."""
KEPT = 10
"""Changes that the picture shows: those that came last."""
WIDTH = 20
"""Characters of a pool's bar."""


def follow(
    look: Callable[[], dict[str, Any]],
    follower: Follower,
    output: Output,
    console: Console,
    sleep: Callable[[float], None] = time.sleep,
) -> NoReturn:
    """Show each change, until Ctrl-C. look: what `status` shows. sleep: waits so many seconds."""
    if output is Output.TEXT and console.is_terminal:
        _drawn(look, follower, console, sleep)
    before: dict[str, Any] = {}
    while True:
        seen, events = look(), follower.look()
        if output is Output.JSON:
            if _told(seen) != _told(before):
                print(json.dumps({"event": "status", **seen}), flush=True)
            for event in events:
                print(json.dumps(event.as_json()), flush=True)
        elif not before:
            console.print(render(seen), soft_wrap=True)
        else:
            for line in [*(line for event in events for line in lines(event)), *_health(before, seen)]:
                console.print(f"{_clock(time.time())}  {line}", markup=False, soft_wrap=True)
        before = seen
        sleep(SECONDS)


def _drawn(
    look: Callable[[], dict[str, Any]], follower: Follower, console: Console, sleep: Callable[[float], None]
) -> NoReturn:
    recent: deque[str] = deque(maxlen=KEPT)
    follower.look()  # what is there at first has not changed
    with Live(console=console, auto_refresh=False) as live:
        while True:
            for event in follower.look():
                recent.extend(f"{_clock(event.at)}  {line}" for line in lines(event))
            live.update(picture(look(), follower.progress(), recent), refresh=True)
            sleep(SECONDS)


def picture(seen: Mapping[str, Any], progress: Sequence[Progress], recent: Sequence[str]) -> RenderableType:
    """What a terminal shows: the status, how far each pool is while one is not, and the last changes."""
    changing = [one for one in progress if not one.done]
    bars = [_bar(one) for one in progress] if changing else []
    gap = [""] if bars or recent else []
    return Group(render(seen), *map(Text, [*gap, *bars, *recent]))


def lines(event: Event) -> Iterator[str]:
    """A change in words."""
    match event:
        case MachineEvent():
            yield f"{event.machine} ({event.pool}) is {event.state}"
        case LeaderEvent():
            yield f"{event.machine} leads {event.product}"
        case RolloutEvent():
            yield "a rollout begins"
            yield from (f"  {change}" for change in event.changes)
        case StepEvent():
            yield f"  {event.text}: {event.state}" + (f", {event.seconds:.1f} s" if event.seconds else "")
        case NoticeEvent():
            yield f"! {event.text}"
        case ResultEvent():
            yield f"the rollout has {'ended' if event.ok else 'failed'}: {event.text}"


def _bar(one: Progress) -> str:
    full = WIDTH * min(one.current, one.count) // one.count if one.count else WIDTH
    rest = ", ".join(f"{number} {'older' if state in IN_SERVICE else state}" for state, number in one.others.items())
    return f"{one.pool:<12} [{'#' * full:.<{WIDTH}}] {one.current} of {one.count} as declared" + (rest and f"; {rest}")


def _health(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What has become wrong since, and that nothing is any more."""
    yield from (f"! {one}" for one in now["problems"] if one not in before["problems"])
    if now["healthy"] and not before["healthy"]:
        yield "the cluster is healthy"


def _told(seen: Mapping[str, Any]) -> Any:
    """What of a status is worth telling again when it changes."""
    return [seen.get(key) for key in ("machines", "vault", "problems")]


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
