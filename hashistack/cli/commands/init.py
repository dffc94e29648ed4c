"""`hashistack init`: a project from a template, in a directory of its own."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashistack.cli.options import OutputOption
from hashistack.cli.output import Output
from hashistack.home import expanded

if TYPE_CHECKING:
    from hashistack.cli.output import Show


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="new, or empty; else this directory", show_default=False)
    ] = Path(),
    template: Annotated[
        str | None,
        typer.Option("--template", "-t", help="one of --list; else a cluster on this machine", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="the project's, and its cluster's; else the directory's", show_default=False),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="show the templates, and make nothing")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make a project from a template: a program, its settings, and a README that says how to go on."""
    from hashistack.cli.errors import Refusal
    from hashistack.cli.output import Show
    from hashistack.cli.templates import commands, files, taken, templates
    from hashistack.spec.names import CLUSTER

    show, there = Show(output), templates()
    if list_:
        _list(show, there)
        return
    chosen = template or next(iter(there))
    place = expanded(directory).resolve()
    project = place.name if name is None else name
    problems = []
    if chosen not in there:
        problems.append(f"--template {chosen}: there is none of this name, only {', '.join(there)}")
    if fault := CLUSTER.fault(project):
        problems.append(f"{'DIR' if name is None else '--name'} {project!r}: {fault[0]}. {fault[1]}")
    made = files(there[chosen], project) if chosen in there else {}
    if held := taken(place, made):
        more = f" and {len(held) - 3} more" if len(held) > 3 else ""
        problems.append(f"{place} is not empty ({', '.join(held[:3])}{more}): give a directory that is new")
    if problems:
        raise Refusal("\n".join(problems), "hashistack init --help")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal(f"{place}: {error.strerror}", "give another directory") from error
    for file, text in made.items():
        (place / file).write_text(text, encoding="utf-8")
    go = [] if place == Path.cwd() else [f"    cd {shlex.quote(str(directory))}"]
    text = "\n".join([f"{project}: template {chosen}, in {place}. Next:", *go, commands(made["README.md"])])
    files_made = {"directory": str(place), "files": sorted(made)}
    show.result({"ok": True, "project": project, "template": chosen, **files_made}, text)


def _list(show: Show, there: Mapping[str, Path]) -> None:
    from hashistack.cli.templates import description

    for name, folder in there.items():
        if show.output is Output.JSON:
            show.event({"template": name, "description": description(folder)})
        else:
            show.console.print(f"{name:<10}{description(folder)}", markup=False)
