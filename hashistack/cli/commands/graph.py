"""`hashistack graph`: a cluster as a picture, in text that other programs draw."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashistack.cli.options import ClusterOption, DirectoryOption, StackOption, named_project

if TYPE_CHECKING:
    from hashistack.ops.api.connection import Connection
    from hashistack.ops.graph.topology import Topology


class Form(StrEnum):
    """What the picture is written in: for pages that draw Mermaid, for a browser, for programs."""

    MERMAID = "mermaid"
    SVG = "svg"
    JSON = "json"


def graph(
    spec: Annotated[
        Path | None,
        typer.Option(
            "--spec", metavar="FILE", help="draw this specification, YAML or JSON, - for stdin", show_default=False
        ),
    ] = None,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: Annotated[Form, typer.Option("--output", "-o", help="mermaid, svg, or json")] = Form.MERMAID,
) -> None:
    """Draw the cluster as it is now, or a specification: zones, pools, machines, leaders, releases, drains."""
    from hashistack.cli.engine import Engine
    from hashistack.ops.graph.mermaid import mermaid
    from hashistack.ops.graph.svg import svg

    if spec:
        topology = _declared(spec)
    else:
        topology = _seen(Engine(named_project(directory, stack, cluster), lambda text: None).connection())
    drawn = {Form.MERMAID: mermaid, Form.SVG: svg}
    text = drawn[output](topology) if output in drawn else json.dumps(topology.as_json(), indent=2) + "\n"
    typer.echo(text, nl=False)


def _declared(file: Path) -> Topology:
    from hashistack.cli.specification import read
    from hashistack.ops.graph.topology import of_spec

    return of_spec(read(file))


def _seen(connection: Connection) -> Topology:
    """What the platform and the APIs say; where these do not answer, what the platform lists."""
    from hashistack.cli.stopped import borne
    from hashistack.ops.api.cluster import Cluster
    from hashistack.ops.api.http import ApiError
    from hashistack.ops.graph.topology import of_fleet
    from hashistack.ops.rollout.desired import listed
    from hashistack.ops.rollout.observer import Observer
    from hashistack.platforms import driver, operations, with_sdk

    platform, of = driver(connection), operations(connection.provider)
    reach = with_sdk(of, lambda: of.reach(connection))
    zones = {machine: known["hashistack_zone"] for machine, known in reach.items() if "hashistack_zone" in known}
    with Cluster(connection) as cluster:
        observer = Observer(cluster, platform)
        try:
            fleet = borne(connection, lambda: observer.look().fleet)
            builds = {"nomad": cluster.nomad.builds(), "consul": cluster.consul.builds()}
        except ApiError as error:
            return of_fleet(connection, listed(connection, platform), zones, {}, error.what)
    return of_fleet(connection, fleet, zones, builds)
