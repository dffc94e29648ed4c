"""The commands that only look: `status`, `env`, `doctor`."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from rich.console import Console

from hashistack.cli.commands.env import RESOLVER, Shell, export, variables, write_certificates
from hashistack.cli.engine import Engine
from hashistack.cli.output import Output
from hashistack.cli.project import Project
from hashistack.cli.status import asleep, look, render
from hashistack.cli.stopped import borne, reached, stopped
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.runtime_directory import directory
from hashistack.platforms import operations


def status(project: Project, watch: bool, output: Output) -> bool:
    """Show the cluster; with `watch`, again and again. Answers whether it was healthy at last."""
    console = Console(highlight=False, soft_wrap=not watch)
    connection = _connection(project)
    platform = operations(connection.provider)
    beside = {"resolver": platform.resolver(connection), "published": list(platform.published(connection))}
    with Cluster(connection) as cluster:

        def seen() -> dict[str, Any]:
            machines, all_of_it = stopped(connection)
            return (asleep(connection, machines) if all_of_it else look(cluster, machines)) | beside

        if watch:
            from hashistack.cli.watch import follow
            from hashistack.ops.rollout.follow import Follower
            from hashistack.ops.rollout.observer import Observer
            from hashistack.platforms import PlatformMissing, driver

            observe = None
            with suppress(PlatformMissing):  # its SDK is not here: the APIs are watched alone
                observe = Observer(cluster, driver(connection)).look
            bundles = {pool.name: pool.bundle for pool in connection.pools}
            follow(seen, Follower(observe, connection.name, bundles, project.directory), output, console)
        last = seen()
    if output is Output.JSON:
        print(json.dumps(last), flush=True)
    else:
        console.print(render(last))
    return bool(last["healthy"])


def environment(project: Project, shell: Shell, output: Output) -> str:
    """The lines of `env`, or the same as one JSON object; writes the certificates first."""
    from hashistack.spec.catalog import Product
    from hashistack.spec.versions import newest_proven
    from hashistack.toolchain import host_arch, resolve

    values = environment_of(_connection(project))
    if output is Output.JSON:
        return json.dumps(values)
    products: tuple[Product, ...] = ("nomad", "consul", "vault")
    tools = [resolve(name, newest_proven(name), host_arch()).path for name in products]
    return export(values, [tool.parent for tool in tools], shell)


def environment_of(connection: Connection) -> dict[str, str]:
    """The variables by which the vendor's commands reach a cluster; writes the certificates that they name."""
    files = write_certificates(connection, directory(connection.name))
    with reached(connection) as cluster:
        values = variables(connection, files, borne(connection, cluster.vault.login))
    if resolver := operations(connection.provider).resolver(connection):
        values[RESOLVER] = resolver
    return values


def doctor(output: Output, project: Project | None = None, account: bool = False) -> bool:
    """Show every finding of the preflight; answers whether the project's clusters (or a local one) can come up.

    account: ask the account besides about what the project's clusters are made from.
    """
    from hashistack.cli.preflight import of_account, of_machine, of_project
    from hashistack.component.findings import lines

    found = of_project(project) if project else of_machine()
    if project and account:
        found += of_account(Engine(project, lambda text: None))
    if output is Output.JSON:
        for one in found:
            print(json.dumps({"sentence": one.sentence, "ok": one.ok, "detail": one.detail, "remedy": one.remedy}))
        return all(one.ok is not False for one in found)
    console = Console(highlight=False, soft_wrap=True)
    for line in lines(found):
        console.print(line, markup=False)
    return all(one.ok is not False for one in found)


def _connection(project: Project) -> Connection:
    return Engine(project, lambda text: None).connection()
