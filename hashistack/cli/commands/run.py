"""`hashistack up` and `hashistack down`: the real engine's run, condensed."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from hashistack.cli.engine import Ended, Engine, chosen
from hashistack.cli.errors import Interrupted, Refusal
from hashistack.cli.events import Condenser, Line, clean
from hashistack.cli.output import Show
from hashistack.cli.project import Project
from hashistack.component.anew import ANEW
from hashistack.component.tenure import TTL, tenure
from hashistack.errors import HashistackError
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.runtime_directory import kept
from hashistack.platforms import PlatformOperations, Stack, every, with_sdk

TRIES = 3
"""How often an engine is begun again that gave way to another one, which is gone."""


def up(project: Project, show: Show, *, anew: bool = False, ttl: str = "") -> None:
    """Make or change the project's cluster, and wait until it is ready.

    anew: after the loss of all its servers, and of what they kept, begin again with empty ones. ttl: how long a new
    cluster may stay (see `component.tenure`).

    Raises:
        Refusal: it did not become so; says why and what to do next.
    """
    if ttl:
        tenure({TTL: ttl}, datetime.now(UTC))  # refused before anything is made
    engine = Engine(project, show.say)
    if (anew or ttl) and (site := _deployed(engine)):
        if anew:
            engine.environment[ANEW] = site
        if ttl:
            show.say(f"--ttl is for a new cluster: {site} stays as long as it was made for (hashistack list)")
    elif ttl:
        engine.environment[TTL] = ttl
    ended, condenser, seconds = _run(engine, "up", Condenser(), show)
    # The engine that was told to stop with nothing left to do ends well; who pressed Ctrl-C wants nothing more begun.
    if ended.code or ended.interrupted:
        raise (Interrupted if ended.interrupted else Refusal)(_failure(ended, condenser, project, "up"))
    changed = _changes(condenser.changes)
    where = project.option
    said = f"ready in {seconds:.1f} s · {changed}" if changed else f"nothing to change ({seconds:.1f} s)"
    text = f"""\
{said}

  eval "$(hashistack env{where})"   nomad, consul and vault in this shell
  hashistack status{where}
  hashistack down{where}   leaves nothing behind"""
    data = {"ok": True, "seconds": round(seconds, 1), "changes": condenser.changes}
    show.result({**data, "project": str(project.directory), "stack": project.stack}, text)


def _deployed(engine: Engine) -> str:
    """The id of the stack's cluster, "" where it has none yet."""
    try:
        return engine.connection().name
    except Refusal:
        return ""


def down(project: Project, show: Show) -> None:
    """Destroy the project's cluster, and prove for each platform that the stack used that nothing of it is left.

    Raises:
        Refusal: the engine failed, or something is left; says what.
    """
    if project.backend and project.stack not in project.stacks() and not _left(_stack(project), set()):
        text = f"nothing to do: {project.directory} has no stack {project.stack}"
        show.result({"ok": True, "seconds": 0.0, "left": []}, text)
        return
    engine = Engine(project, show.say)
    engine.unlock()
    clusters = _clusters(engine, project)
    if project.cluster and clusters:
        chosen(clusters, project)
        if len(clusters) > 1:
            names = ", ".join(one.name for one in clusters.values())
            raise Refusal(
                f"down destroys the whole stack {project.stack} of {project.directory}, with {names}",
                "take the one out of the program, then hashistack up; or leave --cluster out, to destroy them all",
            )
    for place in (place for one in clusters.values() for place in kept(one.name)):
        shutil.rmtree(place)  # before the engine: a `down` that is repeated may not know the clusters any more
    condenser = Condenser(destroying=True)
    ended, condenser, seconds = _run(engine, "destroy", condenser, show)
    if ended.code:
        raise (Interrupted if ended.interrupted else Refusal)(_failure(ended, condenser, project, "down"))
    used = [platform for platform in every() if platform.component in condenser.types]
    stack = _stack(project, tuple(clusters.values()))
    left = _left(stack, condenser.types)
    left += [f"directory {place}" for one in clusters.values() for place in kept(one.name)]
    if left:
        raise Refusal("\n  ".join(["destroyed, but this is left:", *left]))
    proof = "; ".join(dict.fromkeys(platform.proof(stack) for platform in used or [PlatformOperations()]))
    show.result({"ok": True, "seconds": round(seconds, 1), "left": []}, f"gone in {seconds:.1f} s · {proof}")


def destroyed(project: Project, show: Show) -> bool:
    """Show what `down` would destroy, and change nothing; answers whether there is anything."""
    found = Engine(project, show.say).resources()
    stack = f"stack {project.stack} of {project.directory}"
    text = "\n  ".join([f"down would destroy {len(found)} resources of {stack}:", *found])
    show.result({"ok": True, "resources": found}, text if found else f"nothing to do: {stack} has no resources")
    return bool(found)


def _run(engine: Engine, verb: str, condenser: Condenser, show: Show) -> tuple[Ended, Condenser, float]:
    engine.unlock()
    if verb == "up":
        engine.make_stack()
    last = 0.0

    def on_event(event: Mapping[str, Any], seconds: float) -> None:
        nonlocal last
        last = seconds
        for line in condenser.feed(event, seconds):
            show.line(line)

    def on_idle(seconds: float) -> None:
        nonlocal last
        last = seconds
        show.idle(seconds, condenser.current)

    with show:
        ended = engine.run(verb, on_event, on_idle)
        for _ in range(TRIES):
            if not ended.code or "currently locked by" not in ended.output:
                break
            engine.unlock()  # somebody began at the same moment: says who
            # Nobody is there: two began in one moment, and each gave way to the other.
            time.sleep(random.uniform(0.1, 2.0))  # noqa: S311
            condenser.errors.clear()
            ended = engine.run(verb, on_event, on_idle)
        if ended.code and not ended.interrupted:
            show.line(Line("error", f"pulumi {verb} failed", last))
    return ended, condenser, last


def _failure(ended: Ended, condenser: Condenser, project: Project, verb: str) -> str:
    """The engine's diagnostics, and the next command."""
    where = project.option
    if ended.interrupted:
        return (
            "interrupted; what was made is kept in the state.\n"
            f"Go on: hashistack {verb}{where}    Undo: hashistack down{where}"
        )
    told = condenser.errors or [clean(line) for line in ended.output.splitlines() if line.strip()][-8:]
    after = f"Next: repeat hashistack {verb}{where}, or hashistack doctor, or hashistack down{where}"
    return "\n".join([*told, after])


def _changes(changes: Mapping[str, int]) -> str:
    words = {"create": "created", "update": "changed", "replace": "replaced", "delete": "removed"}
    told = [f"{count} {words[kind]}" for kind, count in changes.items() if kind in words]
    return ", ".join(told)


def _clusters(engine: Engine, project: Project) -> Mapping[str, Connection]:
    """The stack's clusters, none where it does not say (they never came up): only who names one must be told so."""
    try:
        return engine.connections()
    except HashistackError:
        if project.cluster:
            raise
        return {}


def _stack(project: Project, clusters: Sequence[Connection] = ()) -> Stack:
    return Stack(project.directory, f"{project.name}/{project.stack}", clusters)


def _left(stack: Stack, types: Collection[str]) -> list[str]:
    """What is there of the stack on any platform. One of which it had no cluster may be silent, or its SDK missing.

    types: the resource types that the stack had.
    """
    found: list[str] = []
    for platform in every():
        try:
            found += with_sdk(platform, partial(platform.left, stack))
        except HashistackError:
            if platform.component in types:
                raise
    return found
