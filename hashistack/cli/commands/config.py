"""`hashistack config explain`: the settings of a specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from hashistack.cli.examples import EXAMPLES
from hashistack.cli.options import OutputOption
from hashistack.cli.output import Output

if TYPE_CHECKING:
    from hashistack.spec.explain import Setting

app = typer.Typer(no_args_is_help=True, help="What can be set, and what a change of it does.")

_WHOSE = {
    "": "none is replaced",
    "all": "all are replaced",
    "servers": "the servers are replaced",
    "clients": "all clients are replaced",
    "pool": "those of the pool are replaced",
}


def _paths(incomplete: str) -> list[str]:
    from hashistack.spec.explain import settings

    return [path for path in settings() if path.startswith(incomplete)]


@app.callback()
def _config() -> None:
    """A group of its own, also with one command."""


@app.command(epilog=EXAMPLES["explain"])
def explain(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="as `clients.upgrade`, without the numbers of lists; else all of the specification",
            show_default=False,
            autocompletion=_paths,
        ),
    ] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    """Say what a setting is: type, default, since when, whether a running cluster can change it, what that replaces."""
    from hashistack.cli.errors import Refusal
    from hashistack.cli.output import Show
    from hashistack.spec.explain import settings

    there, show = settings(), Show(output)
    if path and path not in there:
        raise Refusal(f"there is no setting {path}", _instead(path, there))
    if output is Output.JSON:
        for one in there.values():
            if not path or one.path == path or one.path.startswith(f"{path}."):
                show.event(asdict(one))
        return
    show.console.print("\n".join(_text(path, there, max(40, min(show.console.width, 100)))), markup=False)


def _instead(path: str, there: Mapping[str, Setting]) -> str:
    """What to ask for: settings of this name elsewhere, those that sound like it, or those beside it."""
    from hashistack.spec.section import nearest

    last = path.rpartition(".")[2].partition("[")[0]
    alike = [one for one in there if last and last in one.rpartition(".")[2]]
    if not alike and (word := nearest(last, {one.rpartition(".")[2] for one in there})):
        alike = [one for one in there if one.rpartition(".")[2] == word]
    if alike:
        return f"hashistack config explain {alike[0]}" + (f" (or {', '.join(alike[1:6])})" if alike[1:] else "")
    return "hashistack config explain"


def _text(path: str, there: Mapping[str, Setting], width: int) -> list[str]:
    from hashistack.spec.explain import about

    one = there.get(path)
    lines = [path] if path else []
    for text in dict.fromkeys(filter(None, (one.what if one else "", about(path)))):
        lines += [f"  {line}" for line in wrap(text, width - 2)]
    fields = one.fields if one else tuple(name for name in there if "." not in name)
    if one:
        facts = {"type": one.type, "default": one.default or "none: it has to be given", "since": one.since}
        if not fields or path.startswith("versions."):
            facts["change"] = one.change
            if not one.change.startswith("never"):
                facts["machines"] = _WHOSE[one.replaces]
        lines += ["", *(f"  {name:<9} {said}" for name, said in facts.items())]
    if fields:
        lines.append("")
        wide = max(len(name.rpartition(".")[2]) for name in fields) + 2
        for name in fields:
            what = wrap(there[name].what, width - wide - 2)
            lines += [f"  {name.rpartition('.')[2] if not n else '':<{wide}}{line}" for n, line in enumerate(what)]
    return lines
