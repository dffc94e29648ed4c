"""`hashistack inventory`: the machines, as Ansible asks for them."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from hashistack.cli.options import ClusterOption, DirectoryOption, StackOption, named_project


def inventory(
    list_: Annotated[bool, typer.Option("--list", help="all machines, in groups, with their variables")] = False,
    host: Annotated[
        str | None, typer.Option("--host", metavar="NAME", help="the variables of one machine", show_default=False)
    ] = None,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Print the machines as an inventory of Ansible: groups by role, pool, zone, state, health and release."""
    from hashistack.cli.engine import Engine
    from hashistack.cli.errors import Refusal
    from hashistack.cli.inventory import ansible, look, variables
    from hashistack.ops.api.cluster import Cluster
    from hashistack.platforms import driver, operations, with_sdk

    if list_ == (host is not None):
        raise Refusal("say one of --list and --host NAME", "hashistack inventory --list")
    connection = Engine(named_project(directory, stack, cluster), lambda text: None).connection()
    platform = operations(connection.provider)
    instances = driver(connection).instances()
    reach = with_sdk(platform, lambda: platform.reach(connection))
    with Cluster(connection) as opened:
        hosts = variables(instances, connection.pools, look(opened), reach)
    if host is not None and host not in hosts:
        raise Refusal(f"{connection.name} has no machine {host}, only {', '.join(hosts) or 'none'}")
    typer.echo(json.dumps(ansible(hosts) if host is None else hosts[host], indent=2))
