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
    from hashistack.cli.find import running_task
    from hashistack.cli.nomad_command import environment, exec_arguments, program
    from hashistack.cli.stopped import reached

    connection = Engine(named_project(directory, stack, cluster), lambda text: None).connection()
    where = namespace or "default"
    with reached(connection) as opened:
        chosen, on, others = running_task(opened.nomad.within(where), name, task)
    if others:
        print(
            f"hashistack: in {chosen.id[:8]}, {chosen.name} on {chosen.node}; there are {others} more", file=sys.stderr
        )
    arguments = exec_arguments(where, chosen.id, on, command or ["/bin/sh"])
    # In this process's place: the terminal, signals and the exit code are the command's own.
    tool = program()
    os.execve(tool, [tool, *arguments], environment(connection))  # noqa: S606
