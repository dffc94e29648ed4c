"""`hashistack ui`: the products' own pages in a browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from enum import StrEnum
from typing import Annotated, Any

import typer

from hashistack.cli.options import ClusterOption, DirectoryOption, OutputOption, StackOption, named_project
from hashistack.cli.output import Output


class Product(StrEnum):
    """Whose pages."""

    NOMAD = "nomad"
    CONSUL = "consul"
    VAULT = "vault"


def ui(
    product: Annotated[Product | None, typer.Argument(help="else all three", show_default=False)] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="open no browser")] = False,
    print_only: Annotated[
        bool, typer.Option("--print", help="print the APIs' own addresses, and how a browser trusts them, and end")
    ] = False,
    token: Annotated[bool, typer.Option("--token", help="print tokens and password too")] = False,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Open the pages of Nomad, Consul and Vault in a browser, at addresses of this machine, until Ctrl-C."""
    import asyncio

    from hashistack.cli.engine import Engine
    from hashistack.cli.output import Show

    show = Show(output)
    connection = Engine(named_project(directory, stack, cluster), lambda text: None).connection()
    chosen = [product] if product else list(Product)
    secrets = {one.value: _secret(connection, one) for one in chosen} if token else {}
    if print_only:
        _print(show, connection, chosen, secrets)
        return
    opens = "" if no_open or not _has_browser() else chosen[0].value
    try:
        asyncio.run(_serve(show, connection, chosen, secrets, opens))
    except KeyboardInterrupt:
        return


async def _serve(show: Any, connection: Any, chosen: list[Product], secrets: dict[str, Any], opens: str) -> None:
    import asyncio

    from hashistack.cli.stopped import reached
    from hashistack.ops.api import relay, tunnel
    from hashistack.ops.api.http import tls_context

    context = tls_context(connection.ca_pem, connection.operator_cert_pem, connection.operator_key_pem)
    with reached(connection) as cluster:
        cluster.nomad.namespaces()  # or nobody is there
        servers, urls = [], {}
        for one in chosen:
            to = relay.to(tunnel.address(connection, one.value), context, connection.server_name)
            server, port = await relay.listen(to)
            servers.append(server)
            urls[one.value] = f"http://{relay.HOST}:{port}/ui/"
        if "nomad" in urls and relay.guarded():
            pages = urls["nomad"]
            server, port = await relay.listen(relay.redirect(lambda: f"{pages}?ott={cluster.nomad.one_time_token()}"))
            servers.append(server)
            urls["nomad"] = f"http://{relay.HOST}:{port}/"
        show.result({"ok": True, "urls": urls, **({"secrets": secrets} if secrets else {})}, _text(urls, secrets))
        sys.stdout.flush()
        if opens:
            webbrowser.open(urls[opens])
        await asyncio.gather(*(server.serve_forever() for server in servers))


_LOGIN = {
    "nomad": "logs you in by itself",
    "consul": "log in with the token that `hashistack env` sets as CONSUL_HTTP_TOKEN",
    "vault": "log in by method Token, with what `hashistack env` sets as VAULT_TOKEN",
}


def _text(urls: dict[str, str], secrets: dict[str, Any]) -> str:
    lines = [f"{product:<7} {url:<30}{_LOGIN[product]}" for product, url in urls.items()]
    return "\n".join([*lines, *_secret_lines(secrets), "Only your own processes get through. Ctrl-C ends it."])


def _print(show: Any, connection: Any, chosen: list[Product], secrets: dict[str, Any]) -> None:
    from hashistack.cli.commands.env import write_certificates
    from hashistack.ops.api import tunnel
    from hashistack.ops.api.runtime_directory import directory

    files = write_certificates(connection, directory(connection.name))
    urls = {one.value: tunnel.address(connection, one.value) + "/ui/" for one in chosen}
    text = [f"{product:<7} {url}" for product, url in urls.items()]
    text += _secret_lines(secrets)
    text += [
        f"Their certificates are of the cluster's own CA: import {files['ca']} into the browser as an authority.",
        "Consul also asks for a certificate. Make a file that browsers import:",
        f"  openssl pkcs12 -export -in {files['cert']} -inkey {files['key']} -out {connection.name}.p12",
        "Without --print none of this is needed.",
    ]
    show.result(
        {"ok": True, "urls": urls, "files": files, **({"secrets": secrets} if secrets else {})}, "\n".join(text)
    )


def _secret(connection: Any, product: Product) -> Any:
    endpoint = getattr(connection, product)
    if product is Product.VAULT:
        return {"username": endpoint.username, "password": endpoint.secret}
    return {"token": endpoint.secret}


def _secret_lines(secrets: dict[str, Any]) -> list[str]:
    return [f"{product:<7} {kind} {value}" for product, given in secrets.items() for kind, value in given.items()]


def _has_browser() -> bool:
    """A terminal's own browser is none: it would take the terminal."""
    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"} & os.environ.keys():
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True
