"""`hashistack logs`: what a job's tasks say."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from hashistack.cli.options import ClusterOption, DirectoryOption, NamespaceOption, StackOption, named_project


def logs(
    name: Annotated[str, typer.Argument(metavar="JOB|ALLOC", help="a job, or an allocation by the start of its id")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="go on until Ctrl-C, or until the job has ended")
    ] = False,
    task: Annotated[str | None, typer.Option("--task", "-t", help="else all", show_default=False)] = None,
    stderr: Annotated[bool, typer.Option("--stderr", help="standard error instead of standard output")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="the last lines of each; 0: all", min=0)] = 100,
    namespace: NamespaceOption = None,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Show what a job's tasks say, of all allocations that run; where none does, of the newest one."""
    from hashistack.cli.engine import Engine
    from hashistack.cli.find import find, heard
    from hashistack.cli.nomad_command import environment, program
    from hashistack.cli.stopped import reached
    from hashistack.cli.tail import Tail, streams

    connection = Engine(named_project(directory, stack, cluster), lambda text: None).connection()
    where = namespace or "default"
    with reached(connection) as opened:
        nomad = opened.nomad.within(where)
        job, allocations = find(nomad, name)
        chosen = heard(nomad, job, allocations)
        command = [program(), "alloc", "logs", f"-namespace={where}", *(["-stderr"] if stderr else [])]
        tail = Tail([*command, *(["-f"] if follow else [])], environment(connection), lines)
        with suppress(KeyboardInterrupt), tail:  # how one ends a log that is followed
            for stream in (first := streams(chosen, task)):
                tail.start(stream, alone=len(first) == 1)
            index = 0
            while follow and job and any(one.status in ("running", "pending") for one in allocations):
                found, index = nomad.allocations(job, index, 1.0 if index else 0.0)
                allocations = list(found)
                for stream in streams([one for one in found if one.running], task, strict=False):
                    tail.start(stream, from_begin=True)
            tail.wait()
