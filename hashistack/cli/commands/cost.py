"""`hashistack cost`: what a cluster's machines cost in a month, and a rollout's besides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashistack.cli.options import ClusterOption, DirectoryOption, OutputOption, StackOption, named_project
from hashistack.cli.output import Output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hashistack.spec import ClusterSpec


def cost(
    spec: Annotated[
        Path | None,
        typer.Option(
            "--spec", metavar="FILE", help="of this specification, YAML or JSON, - for stdin", show_default=False
        ),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option("--platform", metavar="NAME", help="with --spec: where it is to be", show_default=False),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="NAME", help="the cloud's region; else the stack's")
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option("--prices", metavar="FILE", help="prices of your own, before those that hashistack knows"),
    ] = None,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """What the machines cost in a month, by pool, and what a rollout adds. A price without a source is `unknown`."""
    from rich.console import Console

    of = _declared(spec, platform, region) if spec else _deployed(directory, stack, cluster, platform, region)
    known = answer(*of, prices)
    if output is Output.JSON:
        print(json.dumps(known))
    else:
        Console(highlight=False, soft_wrap=True).print(render(known))


def answer(spec: ClusterSpec, platform: str, region: str, file: Path | None) -> dict[str, Any]:
    """The cost as plain data. Raises Refusal where the platform bills by region and none is said."""
    from hashistack.cli.errors import Refusal
    from hashistack.ops.cost.estimate import estimate
    from hashistack.ops.cost.prices import Prices, read
    from hashistack.platforms import operations
    from hashistack.platforms import prices as known

    own = read(file) if file else ()
    bill = operations(platform).bill(spec)
    if bill is None:
        nothing = {"low": 0.0, "high": 0.0}
        return {"cluster": spec.name, "platform": platform, "billed": False, "month": nothing, "unknown": []}
    if not region:
        raise Refusal(f"{platform} bills by region, and none is said", "--region NAME")
    theirs = read(ours) if (ours := known(platform)) else ()
    lists = [one for one in (*own, *theirs) if one.platform == platform]
    found = estimate(bill.pools, Prices(lists, region))
    return {
        "cluster": spec.name,
        "platform": platform,
        "region": region,
        "billed": True,
        **found.as_json(),
        "regions": sorted({one.region for one in lists}),
        "besides": list(bill.besides),
        "page": bill.page,
    }


def render(known: Mapping[str, Any]) -> RenderableType:
    """The same for people."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from hashistack.ops.cost.estimate import Amount

    if not known["billed"]:
        return Text(f"{known['cluster']}  {known['platform']}  costs nothing: its machines are on this one")
    table = Table(box=None, pad_edge=False)
    for column in ("POOL", "MACHINES", "DISK", "A MONTH", "A ROLLOUT, AN HOUR"):
        table.add_column(column)
    for one in known["pools"]:
        count = f"{one['on_demand']} + {one['spot']} spot" if one["spot"] else str(one["on_demand"])
        more = one["roll"]["machines"]
        table.add_row(
            one["pool"],
            f"{count} {' or '.join(one['types'])}",
            f"{one['disk_gib']} GiB {one['disk']}",
            str(Amount(**one["month"])),
            f"+{more}: {Amount(**one['roll']['hour'])}" if more else "-",
        )
    month, most = Amount(**known["month"]), Amount(**known["month_at_most"])
    total = f"in all a month: {month}" + (f"; with the most machines: {most}" if most != month else "")
    below = [
        total,
        f"list prices in US dollars, {known['hours']} hours a month, nobody's discounts; a spot price moves",
    ]
    origins: dict[tuple[str, str], list[str]] = {}
    for price in known["prices"]:
        origins.setdefault((price["as_of"], price["source"]), []).append(f"{price['of']}: {price['dollars']:g}")
    below += [f"{day} {source}\n  {'; '.join(of)}" for (day, source), of in origins.items()]
    if known["unknown"]:
        below.append(
            f"! unknown in {known['region']}: {'; '.join(known['unknown'])}. See {known['page']}, and --prices"
        )
    if known["region"] not in known["regions"]:
        below.append(f"! prices are known of {', '.join(known['regions']) or 'no region'}")
    below.append(f"not in it: {', '.join(known['besides'])}. See {known['page']}")
    head = f"{known['cluster']}  {known['platform']}  {known['region']}"
    return Group(Text(head), table, *map(Text, below))


def _declared(file: Path, platform: str | None, region: str | None) -> tuple[ClusterSpec, str, str]:
    from hashistack.cli.specification import read
    from hashistack.platforms import PLATFORMS

    if not platform:
        raise typer.BadParameter(
            f"a specification is of no platform: say one of {', '.join(PLATFORMS)}", param_hint="--platform"
        )
    return read(file), platform, region or ""


def _deployed(
    directory: Path | None, stack: str | None, cluster: str | None, platform: str | None, region: str | None
) -> tuple[ClusterSpec, str, str]:
    from hashistack.cli.engine import Engine
    from hashistack.cli.specification import of_cluster
    from hashistack.platforms import operations
    from hashistack.spec import ClusterSpec

    if platform:
        raise typer.BadParameter("goes with --spec: a stack's cluster is where it is", param_hint="--platform")
    engine = Engine(named_project(directory, stack, cluster), lambda text: None)
    connection = engine.connection()
    spec = ClusterSpec.parse(of_cluster(engine.specifications(), connection, "name a file: --spec FILE"))
    return spec, connection.provider, region or operations(connection.provider).region(connection)
