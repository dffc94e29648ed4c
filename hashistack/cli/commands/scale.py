"""`hashistack scale`: another number of machines, declared where the stack's configuration holds it, and rolled."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashistack.cli.options import (
    ClusterOption,
    DirectoryOption,
    DryRunOption,
    IgnoreJobOption,
    OutputOption,
    StackOption,
    named_project,
)
from hashistack.cli.output import Output

if TYPE_CHECKING:
    from hashistack.cli.engine import Engine
    from hashistack.cli.output import Show
    from hashistack.cli.project import Project
    from hashistack.errors import HashistackError
    from hashistack.ops.api.connection import Connection

_BY_HAND = "change the number in the program"


def scale(
    sizes: Annotated[list[str], typer.Argument(metavar="POOL=N...", help="server=5, or a pool of clients: web=8")],
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    dry_run: DryRunOption = False,
    ignore_job: IgnoreJobOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Change how many machines pools have: shows the plan, writes the stack's configuration, and goes on as `up`."""
    from hashistack.cli.commands.run import up
    from hashistack.cli.engine import Engine
    from hashistack.cli.output import Show
    from hashistack.ops.rollout.ignored_jobs import ignore

    ignore(ignore_job or ())
    project, show = named_project(directory, stack, cluster, changes=True), Show(output)
    engine = Engine(project, show.say)
    connection = engine.connection()
    wanted = parse(sizes, connection)
    engine.unlock()
    writes, changes = _agreed(engine, connection, wanted, show)
    something = _planned(connection, wanted, show)
    if dry_run:
        if something or changes:
            raise typer.Exit(1)
        return
    for path, value in writes.items():
        engine.configure(path, value)
    up(project, show)


def parse(words: Sequence[str], connection: Connection) -> dict[str, int]:
    """`web=8 ...` as pool to number. Raises Refusal with everything that is wrong."""
    from hashistack.cli.errors import Refusal

    pools, found, problems = {pool.name for pool in connection.pools}, dict[str, int](), []
    for word in words:
        name, sign, number = word.partition("=")
        if not sign or not (number.isascii() and number.isdigit()):
            problems.append(f"{word}: must be POOL=N, as web=8")
        elif name not in pools:
            there = ", ".join(f"{pool.name}={pool.count}" for pool in connection.pools)
            problems.append(f"{word}: {connection.name} has no pool {name}, only {there}")
        elif found.setdefault(name, int(number)) != int(number):
            problems.append(f"{word}: {name}={found[name]} was said too")
    if problems:
        raise Refusal("\n".join(problems), "hashistack scale --help")
    return found


def _agreed(
    engine: Engine, connection: Connection, wanted: Mapping[str, int], show: Show
) -> tuple[dict[str, str], bool]:
    """What is to be written into the stack's configuration, path to value, and whether that changes the specification.

    It is tried on a copy of the configuration, in a preview by the real engine.

    Raises:
        Refusal: `up` would refuse it, the program does not take the number from there, or it declares more that is new.
    """
    from hashistack.cli.errors import Refusal
    from hashistack.cli.number import differences
    from hashistack.cli.specification import of_cluster

    project, before = engine.project, of_cluster(engine.specifications(), connection, _BY_HAND)
    configuration = engine.configuration()
    writes: dict[str, str] = {}
    for pool, size in wanted.items():
        writes |= _write(project, configuration, before, pool, size)
    with tempfile.TemporaryDirectory(prefix="hashistack-") as private:
        settings = project.settings
        copy = Path(private, settings.name)
        if settings.is_file():
            shutil.copyfile(settings, copy)
        for path, value in writes.items():
            engine.configure(path, value, copy)
        after = _declared(engine, connection, show, copy)
    missed = [pool for pool, size in wanted.items() if size_of(after, pool) != size]
    if missed:
        raise _in_the_program(project, missed)
    if others := differences(before, after, wanted):
        now = _declared(engine, connection, show)
        said = {pool: number for pool in wanted if (number := size_of(now, pool)) is not None}
        if pending := differences(before, now, said):
            raise Refusal(
                f"the program declares more that no `up` has made: {', '.join(pending)}",
                f"hashistack up{project.option}, then repeat this command",
            )
        raise _in_the_program(project, [*wanted], f", and the configuration would change more: {', '.join(others)}")
    return writes, before != after


def _write(
    project: Project, configuration: Mapping[str, Any], spec: Mapping[str, Any], pool: str, size: int
) -> dict[str, str]:
    """The paths of the configuration that get a value. Raises Refusal where it holds the number never, or twice."""
    from hashistack.cli.errors import Refusal
    from hashistack.cli.number import SERVER, places
    from hashistack.spec import ClusterSpec

    found = [*places(configuration, pool)]
    if len(found) > 1:
        raise Refusal(f"the configuration has the number of {pool} at {', '.join(found)}", "change the one you mean")
    if found:
        return {found[0]: str(size)}
    if pool == SERVER:
        return {"cluster.servers.count": str(size)}
    if spec["clients"] != json.loads(ClusterSpec().model_dump_json())["clients"]:
        raise _in_the_program(project, [pool])
    # Nobody has said anything of clients: theirs is the pool of the defaults.
    return {"cluster.clients[0].name": pool, "cluster.clients[0].desired": str(size)}


def _declared(engine: Engine, connection: Connection, show: Show, config_file: Path | None = None) -> Mapping[str, Any]:
    """The specification that the program declares, out of a preview. Raises Refusal with what `up` would refuse."""
    from hashistack import platforms
    from hashistack.cli.errors import Interrupted, Refusal
    from hashistack.cli.events import Condenser
    from hashistack.cli.specification import of_cluster

    condenser, found, types = Condenser(), list[Mapping[str, Any]](), platforms.specifications()

    def on_event(event: Mapping[str, Any], seconds: float) -> None:
        for _ in condenser.feed(event, seconds):
            pass  # its errors alone are wanted: `up` says the rest
        if (step := event.get("resourcePreEvent")) and step["metadata"]["type"] in types and step["metadata"]["new"]:
            found.append(json.loads(step["metadata"]["new"]["inputs"]["spec"]))

    with show:
        ended = engine.run("preview", on_event, lambda seconds: show.idle(seconds, "asking the program"), config_file)
    if ended.interrupted:
        raise Interrupted("interrupted; nothing was changed")
    if ended.code:
        told = condenser.errors or [line for line in ended.output.splitlines() if line.strip()][-8:]
        raise Refusal("\n".join(["nothing was changed:", *told]))
    return of_cluster(found, connection, _BY_HAND)


def size_of(spec: Mapping[str, Any], pool: str) -> int | None:
    """How many machines a specification declares for a pool; None where it has no such pool."""
    from hashistack.cli.number import SERVER

    if pool == SERVER:
        return int(spec["servers"]["count"])
    return next((int(one["desired"]) for one in spec["clients"] if one["name"] == pool), None)


def _in_the_program(project: Project, pools: Sequence[str], beside: str = "") -> HashistackError:
    """The error where the program says the numbers itself: with the lines to change, as far as they are found."""
    from hashistack.cli.errors import Refusal
    from hashistack.cli.number import line

    lines = []
    for pool in pools:
        for file in sorted(project.directory.glob("*.py")):
            with suppress(OSError, SyntaxError, UnicodeDecodeError):
                if number := line(file.read_text(encoding="utf-8"), pool):
                    lines.append(f"{file}:{number}")
    what = f"the program says how many machines {' and '.join(pools)} has, not the configuration{beside}"
    where = f"change {', '.join(lines)}" if lines else f"change it in the program, in {project.directory}"
    return Refusal(what, f"{where}; then hashistack up{project.option}")


def _planned(connection: Connection, wanted: Mapping[str, int], show: Show) -> bool:
    """Show what `up` will do, and what it does to the work; answers whether there is something to do.

    Raises:
        Refusal: `up` would not begin, for the work that it would harm.
    """
    from hashistack.cli.commands.rollout import as_data, cost, told
    from hashistack.cli.errors import Refusal
    from hashistack.cli.stopped import borne, reached
    from hashistack.ops.rollout.disruptions import LOSING, disruptions, losing
    from hashistack.ops.rollout.event_recorder import SINGLE
    from hashistack.ops.rollout.ignored_jobs import ignored_jobs
    from hashistack.ops.rollout.leaving import leaving, marked, moving
    from hashistack.ops.rollout.observer import Observer
    from hashistack.ops.rollout.plan import plan
    from hashistack.ops.rollout.preparation import harmed, refusal
    from hashistack.platforms import driver

    pools = tuple(replace(pool, count=wanted.get(pool.name, pool.count)) for pool in connection.pools)
    resized = replace(connection, pools=pools)
    platform = driver(resized)
    with reached(resized) as cluster:
        observer = Observer(cluster, platform)
        seen = borne(resized, observer.look)
        nomad = cluster.nomad
        writers, volumes = borne(resized, lambda: (nomad.writers(), nomad.host_volumes()))
        whole = plan(seen.fleet)
        outdated = losing(seen, seen.fleet, writers, volumes) if whole.pools else []
        refused = refusal(*borne(resized, lambda: harmed(cluster, seen, outdated, ignored_jobs())))
    names = leaving(whole, seen.fleet)
    going = marked(seen.fleet, names)
    work, alone, lost = (
        moving(seen.placed, names),
        disruptions(seen.placed, going),
        losing(seen, going, writers, volumes),
    )
    sizes = {pool.name: (pool.count, wanted[pool.name]) for pool in connection.pools if pool.name in wanted}
    lines = [
        f"plan for {connection.name}",
        *(f"  {name}: {old} → {new} declared" for name, (old, new) in sizes.items()),
    ]
    lines += told(whole)
    scaled = {pool.name: pool.count for pool in seen.fleet.pools if pool.count > wanted.get(pool.name, pool.count)}
    lines += [
        f"  {name} stays at {count}: autoscaling made it so, and it makes it smaller" for name, count in scaled.items()
    ]
    lines += [cost(whole)] if whole.pools else []
    for text, found in (("work that moves", work), (SINGLE, alone), (LOSING, lost)):
        lines += [f"{text}: {', '.join(found)}"] if found else []
    data = {**as_data(whole), "sizes": {name: new for name, (_, new) in sizes.items()}, "leaving": sorted(names)}
    show.data({"event": "plan", **data, "moving": work, "single": alone, "losing": lost}, "\n".join(lines))
    if refused:
        raise Refusal(*refused)
    return bool(whole.pools)
