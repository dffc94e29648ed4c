"""`hashistack exec`: a command in a task that runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from hashistack.cli.options import ClusterOption, DirectoryOption, NamespaceOption, StackOption, named_project


def execute(
    name: Annotated[str, typer.Argument(metavar="JOB|ALLOC", help="a job, or an allocation by the start of its id")],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- CMD...]", help="else /bin/sh", show_default=False)
    ] = None,
    task: Annotated[str | None, typer.Option("--task", "-t", help="else the only one", show_default=False)] = None,
    namespace: NamespaceOption = None,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Run a command, or a shell, in a task that runs."""
    from hashistack.cli.engine import Engine
    from hashistack.cli.errors import Refusal
    from hashistack.cli.find import find, nothing
    from hashistack.cli.nomad_command import environment, program
    from hashistack.cli.stopped import reached

    connection = Engine(named_project(directory, stack, cluster), lambda text: None).connection()
    where = namespace or "default"
    with reached(connection) as opened:
        nomad = opened.nomad.within(where)
        job, allocations = find(nomad, name)
        running = sorted((one for one in allocations if one.running), key=lambda one: one.name)
        if not running:
            if not job:
                raise Refusal(f"allocation {allocations[0].id[:8]} runs no task: it is {allocations[0].status}")
            raise nothing(nomad, job, "runs")
    chosen = running[0]
    tasks = sorted(chosen.running)
    if task is None and len(tasks) > 1:
        raise Refusal(f"{chosen.name} runs {len(tasks)} tasks; say which: --task {' or --task '.join(tasks)}")
    if task is not None and task not in tasks:
        raise Refusal(f"{chosen.name} runs no task {task}, only {', '.join(tasks)}")
    if len(running) > 1:
        others = f"{len(running) - 1} more"
        print(f"hashistack: in {chosen.id[:8]}, {chosen.name} on {chosen.node}; there are {others}", file=sys.stderr)
    arguments = [
        "alloc",
        "exec",
        f"-namespace={where}",
        f"-task={task or tasks[0]}",
        chosen.id,
        *(command or ["/bin/sh"]),
    ]
    # In this process's place: the terminal, signals and the exit code are the command's own.
    tool = program()
    os.execve(tool, [tool, *arguments], environment(connection))  # noqa: S606
