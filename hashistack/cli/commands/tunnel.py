"""`hashistack tunnel`: ports of this machine that lead to the APIs of a cluster in a private network."""

from __future__ import annotations

from collections.abc import Mapping

from hashistack.cli.options import ClusterOption, DirectoryOption, OutputOption, StackOption, named_project
from hashistack.cli.output import Output


def tunnel(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Open ports of this machine to the APIs of a cluster on a cloud, by its sessions, until Ctrl-C."""
    import asyncio
    from contextlib import suppress

    from hashistack.cli.engine import Engine
    from hashistack.cli.output import Show
    from hashistack.ops.api.port_forward import forward
    from hashistack.platforms import forwarder

    show, project = Show(output), named_project(directory, stack, cluster)
    connection = Engine(project, lambda text: None).connection()

    def opened(here: Mapping[str, str]) -> None:
        lines = [f"{product:<7} {address}" for product, address in here.items()]
        lines.append("Other hashistack commands of yours take this way by themselves. Ctrl-C closes it.")
        lines.append(f'Other programs: eval "$(hashistack env{project.option})" in another shell.')
        show.data({"event": "opened", "addresses": dict(here)}, "\n".join(lines))

    with suppress(KeyboardInterrupt):
        asyncio.run(forward(connection, forwarder(connection), opened, show.say))
