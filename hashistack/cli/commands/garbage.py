"""`hashistack gc`: clusters whose time is over, or those of one run of a CI."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from hashistack.cli.options import OutputOption
from hashistack.cli.output import Output

if TYPE_CHECKING:
    from hashistack.platforms import Running


def gc(
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="ID", help="all that this run of a CI made, expired or not", show_default=False),
    ] = None,
    owner: Annotated[
        str | None, typer.Option("--owner", metavar="NAME", help="only what is this user's", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="remove it, with all its data")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the clusters on this machine that have expired; with --yes, remove them with all their data."""
    from hashistack.cli.commands.clusters import state, table
    from hashistack.cli.errors import Refusal
    from hashistack.cli.output import Show
    from hashistack.errors import HashistackError
    from hashistack.platforms import seen

    for option, said in (("--run", run), ("--owner", owner)):
        if said == "":  # a variable that was not set
            raise Refusal(f"{option} is empty", "leave it out, or give it a value")
    show, now = Show(output), datetime.now(UTC)
    found = due(seen(), now, run, owner)
    sites = [one.site for one in found]
    if not found:
        show.result({"ok": True, "due": [], "removed": []}, "nothing to remove")
        return
    if not yes:
        said = "Nothing was removed. Next: repeat with --yes, which removes these with all their data"
        data = [{"site": one.site, "state": state(one), "expires": one.expires, "run": one.run} for one in found]
        show.result({"ok": True, "due": data, "removed": []}, f"{table(found, now)}\n{said}")
        raise typer.Exit(1)
    failed = []
    for one in found:
        try:
            _remove(one, show.say)
        except HashistackError as error:
            failed.append(f"{one.site}: {error}")
    if failed:
        raise Refusal(
            "\n".join(["this could not be removed:", *failed]), "repeat hashistack gc, which shows what is left"
        )
    text = f"removed {', '.join(sites)}; nothing is left"
    for one in found:
        if (one.project / "Pulumi.yaml").is_file():
            text += f"\nits stack still names {one.site}: hashistack down -C {one.project} --stack {one.stack} --yes"
    show.result({"ok": True, "due": [], "removed": sites}, text)


def due(clusters: Sequence[Running], now: datetime, run: str | None = None, owner: str | None = None) -> list[Running]:
    """What may be removed: what has expired, or with `run` all of that run; a label that can't be read keeps it."""
    from hashistack.component.tenure import is_over

    return [
        one
        for one in clusters
        if (one.run == run if run is not None else is_over(one.expires, now)) and owner in (None, one.owner)
    ]


def _remove(cluster: Running, say: Callable[[str], None]) -> None:
    from functools import partial

    from hashistack.cli.errors import Refusal
    from hashistack.ops.api.runtime_directory import kept
    from hashistack.platforms import operations, seen, with_sdk

    platform = operations(cluster.platform)
    with_sdk(platform, partial(platform.remove, cluster, say))
    for place in kept(cluster.site):
        shutil.rmtree(place)
    if any(one.site == cluster.site for one in seen()):
        raise Refusal("something of it is left")
