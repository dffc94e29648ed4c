"""`hashistack run`: a job file into the cluster, watched until it is healthy or will not be."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashistack.cli.options import (
    ClusterOption,
    DirectoryOption,
    NamespaceOption,
    OutputOption,
    StackOption,
    named_project,
)
from hashistack.cli.output import Output

if TYPE_CHECKING:
    from hashistack.cli.output import Show
    from hashistack.jobs.progress import Progress

PAST = "repeat with --yes to submit it all the same"
"""What to do about a refusal that is wrong, or comes too early."""


def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="a Nomad job file, HCL or JSON; - is standard input")],
    var: Annotated[
        list[str] | None,
        typer.Option("--var", "-var", metavar="NAME=VALUE", help="a variable; again for more", show_default=False),
    ] = None,
    var_file: Annotated[
        list[str] | None,
        typer.Option("--var-file", "-var-file", metavar="FILE", help="a file of variables", show_default=False),
    ] = None,
    namespace: NamespaceOption = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="submit it and end")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show Nomad's plan and change nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="submit it although no machine can take it")] = False,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="how long to watch", min=1)] = 900.0,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run a job, and wait until it is healthy, or show why it is not. Ctrl-C stops watching; the job goes on."""
    from hashistack.cli.engine import Engine
    from hashistack.cli.nomad_command import plan_text, read_job
    from hashistack.cli.output import Show
    from hashistack.cli.stopped import reached
    from hashistack.errors import HashistackError
    from hashistack.jobs.deploy import plan, refuse_unknown_namespace, refuse_unplaceable, submit

    show = Show(output)
    job = read_job(file, var or (), var_file or ())
    job["Namespace"] = where = namespace or job.get("Namespace") or "default"
    project = named_project(directory, stack, cluster)
    connection = Engine(project, show.say).connection()
    option = project.option + (f" --namespace {where}" if where != "default" else "")
    with reached(connection) as opened:
        nomad, id = opened.nomad.within(where), str(job["ID"])
        refuse_unknown_namespace(nomad)
        planned, unplaced = plan(nomad, job)
        if dry_run:
            text = "" if output is Output.JSON else plan_text(connection, job, show.console.is_terminal)
            data = {"ok": not unplaced, "job": id, "plan": planned}
            if unplaced:
                data |= {"text": unplaced.text, "next": unplaced.remedy}
                text = "\n\n".join([text, str(HashistackError(unplaced.text, unplaced.remedy))])
            show.result(data, text)
            raise typer.Exit(int((planned.get("Diff") or {}).get("Type", "None") != "None"))
        if not yes and (waits := refuse_unplaceable(nomad, job, unplaced, connection.pools, past=PAST)):
            show.say(f"job {id}: {waits}")
        version = submit(nomad, job)
        if detach:
            text = f"job {id}: version {version} is registered. Next: hashistack logs {id}{option}"
            show.result({"ok": True, "job": id, "namespace": where, "version": version}, text)
            return
        ended = _watched(show, nomad, id, version, connection.secrets, timeout, option)
    if not ended.well:
        raise typer.Exit(1)


def _watched(
    show: Show, nomad: Any, id: str, version: int, secrets: Sequence[str], timeout: float, option: str
) -> Progress:
    from hashistack.cli.events import Line
    from hashistack.jobs.deploy import UNPLACED_SECONDS, watch

    began, heard = time.monotonic(), set[str]()

    def told(now: Progress, story: Sequence[str]) -> None:
        seconds = time.monotonic() - began
        show.line(Line("now", now.text, seconds))
        waits = [f"{now.text}. Next: {now.remedy}"] if now.remedy else []
        for one in (*waits, *story):
            if one not in heard:
                heard.add(one)
                show.line(Line("warning", one, seconds))
        show.idle(seconds, now.text)

    try:
        with show:
            show.line(Line("done", f"job {id}: version {version} is registered", 0.0))
            ended = watch(
                nomad,
                id,
                version,
                secrets,
                told,
                Event(),
                seconds=timeout,
                unplaced_seconds=UNPLACED_SECONDS,
                to_end=True,
            )
            show.line(Line("done" if ended.well else "error", f"job {id}: {ended.text}", time.monotonic() - began))
    except KeyboardInterrupt:
        print(f"job {id} goes on. Next: hashistack logs {id}{option}", file=sys.stderr)
        raise
    after = ended.remedy or f"hashistack logs {id}{option}"
    if not ended.well:
        after = f"{after}, or change the file and repeat, or nomad job stop {id}"
    data = {"ok": bool(ended.well), "job": id, "namespace": nomad.namespace, "version": version, "text": ended.text}
    show.result(data, f"Next: {after}")
    return ended
