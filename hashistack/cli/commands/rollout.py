"""`hashistack upgrade`, `rollout` and `heal`: the machines brought to what is declared, step by step."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hashistack.cli.commands.breaking_changes import data_of, lines_of, look_ahead, refuse_breaking
from hashistack.cli.commands.run import up
from hashistack.cli.engine import Engine
from hashistack.cli.errors import Refusal
from hashistack.cli.events import Line
from hashistack.cli.output import Output, Show
from hashistack.cli.project import Project
from hashistack.cli.stopped import borne, reached
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import ApiError
from hashistack.ops.readiness.checks import Update, readiness, wait
from hashistack.ops.rollout.desired import listed
from hashistack.ops.rollout.disruptions import HOMELESS, LOSING, disruptions, homeless, losing
from hashistack.ops.rollout.event_log import EventLog, place, recorded
from hashistack.ops.rollout.event_recorder import SINGLE
from hashistack.ops.rollout.events import Event, MachineEvent, NoticeEvent, RolloutEvent, StepEvent
from hashistack.ops.rollout.executor import Outcome, Rollout
from hashistack.ops.rollout.ignored_jobs import ignored_jobs
from hashistack.ops.rollout.observer import Observation, Observer
from hashistack.ops.rollout.plan import Plan, plan
from hashistack.ops.rollout.regressions import BROKEN, broken_now
from hashistack.ops.rollout.upgrade import climb, hops, intended, steps_to
from hashistack.platforms import driver

CHECK_SECONDS = 120.0
"""For the checks after a rollout; what it has waited for is true by then, the rest follows within seconds."""


def rollout(project: Project, show: Show, *, roll: bool, snapshot: bool = True) -> bool:
    """Replace what differs from what the stack declares; with `roll` False, only what is lost, missing or too much.

    Answers whether it is done: False while applications have to move their work first.

    Raises:
        Refusal: the stack has no cluster.
        JobNameInvalid: a job to be ignored is none.
        RolloutFailed, Locked, DriverFailed: it stopped; says why, and what to do.
    """
    connection = _connection(project)
    event_log = EventLog(project.directory)
    started = time.monotonic()

    def told(event: Event) -> None:
        event_log.write(event)
        _show(event, show, time.monotonic() - started)

    with Cluster(connection) as cluster, show, show.alive(started):
        outcome = Rollout(
            cluster,
            driver(connection),
            roll=roll,
            tell=told,
            snapshots=place(project.directory, "snapshots") if snapshot else None,
            ignored=ignored_jobs(),
        ).run()
        if not outcome.waiting:
            _check(cluster, show, started)
    _result(outcome, event_log.path, show)
    return not outcome.waiting


def _check(cluster: Cluster, show: Show, started: float) -> None:
    """The sentences by which `up` calls a cluster ready, but for the smoke job. Raises NotReady."""
    checks = readiness(cluster.connection, smoke=False)

    def told(update: Update) -> None:
        show.line(Line("now", str(update), time.monotonic() - started))

    wait(cluster, checks, CHECK_SECONDS, told)
    show.line(Line("done", f"{len(checks)} checks: {checks[0].sentence}, …", time.monotonic() - started))


def dry_run(project: Project, show: Show, *, roll: bool, to: Mapping[str, str] | None = None) -> bool:
    """Print what would be done, changing nothing; answers whether there is something to do."""
    connection = _connection(project)
    platform = driver(connection)
    if to:
        refuse(connection, to)
    with Cluster(connection) as cluster:
        try:
            found = look_ahead(cluster, connection, to or {})
            seen = Observer(cluster, platform, roll).look()
            restarted = tuple(cluster.nomad.restarted())
            node_pools = cluster.nomad.node_pools()
            writers, volumes = cluster.nomad.writers(), cluster.nomad.host_volumes()
        except ApiError:
            if not any(one.state == "stopped" for one in platform.instances()):
                raise
            # They are started first, and only the platform knows of them.
            seen, restarted, node_pools = Observation(listed(connection, platform, roll)), (), {}
            writers, volumes, found = frozenset(), {}, []
    way = hops(connection.versions, to or {})
    fleet = intended(seen.fleet, way[0] if way else {})
    whole = plan(fleet)
    alone = disruptions(seen.placed, fleet)
    stranded = homeless(connection, fleet, seen.nodes.values(), node_pools)
    lines = [f"plan for {connection.name} (nothing was changed)", *told(whole)]
    if to and len(way) > 1:
        lines[1:1] = [f"  {line}" for line in _path(connection, to)]
        lines.insert(1 + len(way), "  of the first hop, each later one is planned when it begins:")
    lines.append(cost(whole))
    if alone:
        lines.append(f"{SINGLE}: {', '.join(alone)}")
    broken = broken_now(seen.placed, restarted, fleet, time.time())
    if broken:
        lines.append(f"{BROKEN}: {', '.join(broken)}")
    lost = losing(seen, fleet, writers, volumes)
    if lost:
        lines.append(f"{LOSING}: {', '.join(lost)}")
    if stranded:
        lines.append(f"{HOMELESS}: {', '.join(stranded)}")
    lines += lines_of(found)
    if not whole.pools:
        lines = [f"{connection.name}: nothing to do, all machines are as declared"]
    data = {**as_data(whole), "single": alone}
    way_there = {"hops": list(way), "breaking_changes": data_of(found)} if to else {}
    show.result({**data, **way_there, "broken": broken, "losing": lost, "homeless": stranded}, "\n".join(lines))
    return bool(whole.pools)


def told(whole: Plan) -> list[str]:
    """A plan's lines: the pools that change, and the rounds."""
    rounds = (f"  {n:>3} {'; '.join(map(str, steps))}" for n, steps in enumerate(whole.rounds, 1))
    return [*(f"  {change}" for change in whole.pools), *rounds]


def cost(whole: Plan) -> str:
    """What a plan takes beside time."""
    return f"at most {whole.extra} machines more than now{'; a snapshot comes first' if whole.snapshot else ''}"


def as_data(whole: Plan) -> dict[str, Any]:
    """A plan for programs."""
    rounds = [[str(one) for one in steps] for steps in whole.rounds]
    pools = [vars(change) for change in whole.pools]
    return {"pools": pools, "rounds": rounds, "extra": whole.extra, "snapshot": whole.snapshot}


def upgrade(
    project: Project, show: Show, to: Mapping[str, str], *, snapshot: bool = True, accept: Collection[str] = ()
) -> None:
    """Declare other versions in the stack's configuration, run the program, and roll until all machines have them.

    accept: ids of breaking changes that stop it no more.

    Raises:
        Refusal: a step that the vendor does not support, something of the cluster that a release on the way would
            break, or a program that takes no versions from its configuration.
    """
    connection = _connection(project)
    refuse(connection, to)
    with reached(connection) as cluster:
        found = borne(connection, lambda: look_ahead(cluster, connection, to))
    refuse_breaking(found, accept)
    for line in lines_of(found):
        show.say(line)
    engine, way = Engine(project, show.say), hops(connection.versions, to)
    declared_here = resumes = False

    def declare(number: int, hop: Mapping[str, str]) -> None:
        nonlocal declared_here
        declared_here = True
        if len(way) > 1 or resumes:
            show.say(f"hop {number} of {len(way)}: {_named(hop)}")
        for product, version in hop.items():
            engine.configure(f"cluster.versions.{product}", version)
        up(project, show)
        declared = engine.connection().versions
        if missed := [f"{product} {declared.get(product)}" for product in hop if declared.get(product) != hop[product]]:
            raise Refusal(
                f"the program still declares {', '.join(missed)}: it takes no versions from the configuration "
                "`cluster.versions`",
                "change them in the program, then hashistack up and hashistack rollout",
            )

    def behind() -> bool:
        now = engine.connection()
        bundles = {pool.name: pool.bundle for pool in now.pools}
        return any(one.bundle != bundles.get(one.pool) for one in driver(now).instances())

    def converge() -> bool:
        return rollout(project, show, roll=True, snapshot=snapshot)

    def finish() -> bool:
        nonlocal resumes
        # An `up` that was killed has left the stack's outputs as they were before it: to roll by them would go back.
        up(project, show)
        if not declared_here:
            resumes, now = True, engine.connection().versions
            show.say(f"first what an earlier run has begun: {_named({product: now[product] for product in to})}")
        return converge()

    climb(connection.versions, to, declare, behind, finish, converge)


def show_path(project: Project, show: Show, to: Mapping[str, str]) -> None:
    """Print the hops that lead to these versions, a roll each. Raises Refusal where none do."""
    connection = _connection(project)
    refuse(connection, to)
    with Cluster(connection) as cluster:
        found = look_ahead(cluster, connection, to)
    data = {"hops": list(hops(connection.versions, to)), "breaking_changes": data_of(found)}
    show.result(data, "\n".join([*_path(connection, to), *lines_of(found)]))


def _path(connection: Connection, to: Mapping[str, str]) -> list[str]:
    """A line for each hop."""
    way = hops(connection.versions, to)
    told = [
        f"hop {number} of {len(way)}: {_named(hop)}, a roll with a snapshot first" for number, hop in enumerate(way, 1)
    ]
    return told or ["nothing to do: these versions are declared"]


def _named(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{product} {version}" for product, version in versions.items())


@contextmanager
def reported(project: Project, page: Path | None) -> Iterator[None]:
    """Writes the report of all rollouts that go on meanwhile to `page`, those that fail too; None writes none."""
    from hashistack.ops.report import write
    from hashistack.ops.rollout.events import read

    began = time.time()
    try:
        yield
    finally:
        if page and (files := recorded(project.directory, began)):
            lines = [line for file in files for line in file.read_text().splitlines()]
            write(read(lines, str(files[-1])), [], page)


def refuse(connection: Connection, to: Mapping[str, str]) -> None:
    """Raises Refusal with everything that stands against going to these versions."""
    if problems := steps_to(connection.versions, to):
        raise Refusal("\n".join(problems))


def parse(words: Sequence[str]) -> dict[str, str]:
    """`nomad=1.11.3 ...` as a mapping. Raises Refusal."""
    found = {}
    for word in words:
        product, sign, version = word.partition("=")
        if not sign or product not in ("nomad", "consul", "vault", "cni") or not version:
            raise Refusal(f"--to {word}: must be PRODUCT=VERSION, with nomad, consul, vault or cni. E.g. nomad=1.11.3")
        found[product] = version
    return found


def _connection(project: Project) -> Connection:
    return Engine(project, lambda text: None).connection()


def _show(event: Event, show: Show, seconds: float) -> None:
    if show.output is Output.JSON:
        show.event(event.as_json())
        if isinstance(event, StepEvent):
            # For the sign of life while it goes on.
            show.line(Line("now", event.text if event.state == "begun" else "", seconds))
        return
    match event:
        case RolloutEvent():
            for change in event.changes:
                show.say(change)
        case NoticeEvent():
            show.line(Line("warning", event.text, seconds))
        case StepEvent(state="done"):
            show.line(Line("done", event.text, seconds))
        case StepEvent(state="failed"):
            show.line(Line("error", event.text, seconds))
        case StepEvent():
            show.line(Line("now", event.text, seconds))
        case MachineEvent():
            show.line(Line("now", f"{event.machine} is {event.state}", seconds))


def _result(outcome: Outcome, event_log: Path, show: Show) -> None:
    data: dict[str, Any] = {"ok": True, "seconds": round(outcome.seconds, 1), "replaced": outcome.replaced}
    if outcome.waiting:
        text = (
            f"waiting for the applications: {outcome.waiting} still have work. "
            "Deploy them anew, then repeat this command"
        )
    elif outcome.changed:
        gone = f"{outcome.replaced} machines gone, " if outcome.replaced else ""
        text = f"done in {outcome.seconds:.1f} s · {gone}all are as declared"
    else:
        text = f"nothing to do ({outcome.seconds:.1f} s)"
    show.result({**data, "waiting": outcome.waiting, "events": str(event_log)}, text)
