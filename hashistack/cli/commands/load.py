"""`hashistack load`: images of this host's Docker into a local cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from hashistack.cli.options import ClusterOption, DirectoryOption, OutputOption, StackOption, named_project
from hashistack.cli.output import Output


def load(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="name:tag of an image of this host's Docker")],
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Put images of this host's Docker into all clients of a local cluster, also into those that come later."""
    from hashistack.cli.engine import Engine
    from hashistack.cli.output import Show
    from hashistack.platforms import operations, with_sdk

    show = Show(output)
    connection = Engine(named_project(directory, stack, cluster), show.say).connection()
    platform = operations(connection.provider)
    machines = with_sdk(platform, lambda: platform.load_images(connection.name, images, show.say))
    show.result({"images": images, "machines": machines}, f"loaded {', '.join(images)} into {machines} machines")
