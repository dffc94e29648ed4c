"""A rollout's events as what a picture of it needs: who was in which state from when to when, steps, leaders, runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hashistack.ops.rollout.events import (
    Event,
    LeaderEvent,
    Life,
    MachineEvent,
    NoticeEvent,
    Progress,
    ResultEvent,
    RolloutEvent,
    StepEvent,
)

LOOK_SECONDS = 30.0
"""Most that a run takes from its first look at the cluster until it says what it is going to change."""


@dataclass(frozen=True)
class Segment:
    """A machine was in `state` from `begin` to `end`, in seconds since 1970."""

    state: Life
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True)
class Lane:
    """One machine. new: it boots from what its pool is to have at the end. gone: when it was gone, None if it stays."""

    machine: str
    bundle: str
    new: bool
    segments: tuple[Segment, ...]
    gone: float | None


@dataclass(frozen=True)
class Pool:
    """A pool's machines, in the order in which they were first seen. bundle: what all are to have at the end."""

    name: str
    servers: bool
    bundle: str
    lanes: tuple[Lane, ...]


@dataclass(frozen=True)
class Step:
    """A step as it went; `seconds` is None when nobody saw it end."""

    at: float
    text: str
    state: Progress
    seconds: float | None


@dataclass(frozen=True)
class Reign:
    """`machine` led `product` from `begin` until `end`."""

    product: str
    machine: str
    begin: float
    end: float


@dataclass(frozen=True)
class Run:
    """One run of the command; `result` is None when it was killed, or goes on."""

    begin: float
    end: float
    result: ResultEvent | None


@dataclass(frozen=True)
class Timeline:
    """Everything that happened, from `begin` to `end`. Pools: servers first, then in the order of their first event."""

    cluster: str
    changes: tuple[str, ...]
    notices: tuple[str, ...]
    begin: float
    end: float
    pools: tuple[Pool, ...]
    steps: tuple[Step, ...]
    reigns: tuple[Reign, ...]
    runs: tuple[Run, ...]

    @property
    def result(self) -> ResultEvent | None:
        """How the last run ended; None when nobody knows."""
        return self.runs[-1].result if self.runs else None

    @property
    def seconds(self) -> float:
        """Time that runs took, without the pauses between them."""
        return sum(run.end - run.begin for run in self.runs)

    @property
    def replaced(self) -> int:
        """How many machines have gone."""
        return sum(lane.gone is not None for pool in self.pools for lane in pool.lanes)


def timeline(events: Iterable[Event]) -> Timeline:
    """The timeline of events in any order; they may be of several runs, and of runs that were cut off."""
    ordered = sorted(events, key=lambda event: event.at)
    begin, end = (ordered[0].at, ordered[-1].at) if ordered else (0.0, 0.0)
    named = [event for event in ordered if isinstance(event, RolloutEvent)]
    wanted = {pool: bundle for event in named for pool, bundle in event.bundles.items()}
    return Timeline(
        cluster=named[-1].cluster if named else "",
        # A resumed run has less to change than the first one.
        changes=tuple(dict.fromkeys(change for event in named for change in event.changes)),
        notices=tuple(dict.fromkeys(event.text for event in ordered if isinstance(event, NoticeEvent))),
        begin=begin,
        end=end,
        pools=_pools([event for event in ordered if isinstance(event, MachineEvent)], wanted, end),
        steps=_steps([event for event in ordered if isinstance(event, StepEvent)]),
        reigns=_reigns([event for event in ordered if isinstance(event, LeaderEvent)], end),
        runs=_runs(ordered),
    )


def _pools(events: Sequence[MachineEvent], wanted: Mapping[str, str], end: float) -> tuple[Pool, ...]:
    machines: dict[str, dict[str, list[MachineEvent]]] = {}
    for event in events:
        machines.setdefault(event.pool, {}).setdefault(event.machine, []).append(event)
    pools = []
    for name, found in machines.items():
        seen = [event for event in events if event.pool == name]
        # Where nobody says what is wanted, it is what was started last; where nothing was started, nothing is old.
        started = [event.bundle for event in seen if event.state == "booting" and event.bundle]
        bundle = wanted.get(name) or (started[-1] if started else "")
        lanes = tuple(_lane(machine, its, bundle, end) for machine, its in found.items())
        servers = name == "server" or any(event.state == "voter" for event in seen)
        pools.append(Pool(name, servers, bundle or seen[-1].bundle, lanes))
    return tuple(sorted(pools, key=lambda pool: not pool.servers))


def _lane(machine: str, events: Sequence[MachineEvent], wanted: str, end: float) -> Lane:
    segments: list[Segment] = []
    ends = [following.at for following in events[1:]] + [end]
    for event, until in zip(events, ends, strict=True):
        if event.state == "gone":
            continue
        last = segments[-1] if segments else None
        if last and last.state == event.state and last.end == event.at:
            segments[-1] = replace(last, end=until)
        else:
            segments.append(Segment(event.state, event.at, until))
    bundle = next((event.bundle for event in reversed(events) if event.bundle), "")
    # Every later look says it again.
    last_seen = next((i for i in range(len(events), 0, -1) if events[i - 1].state != "gone"), 0)
    gone = events[last_seen].at if last_seen < len(events) else None
    return Lane(machine, bundle, not wanted or bundle == wanted, tuple(segments), gone)


def _steps(events: Sequence[StepEvent]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for event in events:
        if event.state == "begun":
            steps.append(Step(event.at, event.text, "begun", None))
            continue
        begun = [i for i, step in enumerate(steps) if step.text == event.text and step.state == "begun"]
        if begun:
            steps[begun[-1]] = replace(steps[begun[-1]], state=event.state, seconds=event.seconds)
        else:
            steps.append(Step(event.at - event.seconds, event.text, event.state, event.seconds))
    return tuple(sorted(steps, key=lambda step: step.at))


def _reigns(events: Sequence[LeaderEvent], end: float) -> tuple[Reign, ...]:
    reigns: list[Reign] = []
    current: dict[str, LeaderEvent] = {}
    for event in events:
        before = current.get(event.product)
        if before and before.machine == event.machine:
            continue
        if before:
            reigns.append(Reign(before.product, before.machine, before.at, event.at))
        current[event.product] = event
    reigns += [Reign(last.product, last.machine, last.at, end) for last in current.values()]
    return tuple(sorted(reigns, key=lambda reign: reign.begin))


def _runs(events: Sequence[Event]) -> tuple[Run, ...]:
    """Cut behind each result, and where a run begins whose predecessor was cut off."""
    runs: list[list[Event]] = []
    for event in events:
        if not runs or isinstance(runs[-1][-1], ResultEvent):
            runs.append([])
        elif isinstance(event, RolloutEvent) and any(isinstance(before, RolloutEvent) for before in runs[-1]):
            # A run looks before it says what it will change: what was seen just now is its own.
            own: list[Event] = [
                e for e in runs[-1] if e.at >= event.at - LOOK_SECONDS and isinstance(e, MachineEvent | LeaderEvent)
            ]
            moved = set(map(id, own))
            runs[-1] = [e for e in runs[-1] if id(e) not in moved]
            runs.append(own)
        runs[-1].append(event)
    return tuple(Run(run[0].at, run[-1].at, _result(run[-1])) for run in runs)


def _result(event: Event) -> ResultEvent | None:
    return event if isinstance(event, ResultEvent) else None
