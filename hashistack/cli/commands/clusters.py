"""`hashistack list`: the clusters that can be seen from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hashistack.cli.options import OutputOption
from hashistack.cli.output import Output
from hashistack.component.tenure import since

if TYPE_CHECKING:
    from hashistack.platforms import Running


_COLUMNS = ("CLUSTER", "PLATFORM", "STATE", "MACHINES", "AGE", "EXPIRES", "OWNER", "STACK", "PROJECT")


def list_(output: OutputOption = Output.TEXT) -> None:
    """Show the clusters that can be seen from here without being told where they are: those on this machine."""
    from hashistack.cli.output import Show
    from hashistack.platforms import seen

    show, found = Show(output), seen()
    if output is Output.JSON:
        for one in found:
            show.event({**asdict(one), "project": str(one.project), "state": state(one)})
    elif found:
        show.console.print(table(found, datetime.now(UTC)), markup=False)
    else:
        show.console.print("no cluster here. Next: hashistack init, or hashistack status -C DIR for one elsewhere")


def state(cluster: Running) -> str:
    """`running`, `stopped`, `partly stopped`, or `remains` where a cluster has no machine any more."""
    if not cluster.machines:
        return "remains"
    return "running" if cluster.up == cluster.machines else "partly stopped" if cluster.up else "stopped"


def table(clusters: Sequence[Running], now: datetime) -> str:
    """A line for each, which a narrow terminal folds: no path is cut. `now` with a time zone."""
    rows = [_COLUMNS, *(_row(one, now) for one in clusters)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _row(one: Running, now: datetime) -> tuple[str, ...]:
    left = -since(one.expires, now)
    expires = "-" if not one.expires else f"in {spoken(left)}" if left > 0 else "expired"
    age = spoken(since(one.created, now)) if one.created else "-"
    machines = f"{one.up}/{one.machines}"
    return one.site, one.platform, state(one), machines, age, expires, one.owner or "-", one.stack, str(one.project)


def spoken(seconds: float) -> str:
    """A length of time in its largest unit: `3 d`, `5 h`, `12 min`."""
    minutes = int(seconds // 60)
    return f"{minutes // 1440} d" if minutes >= 1440 else f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"
