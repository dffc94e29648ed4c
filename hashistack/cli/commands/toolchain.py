"""`hashistack toolchain`: what tools there are, getting them, building them, proving them."""

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import typer
from rich.console import Console
from rich.table import Table

from hashistack.cli.options import DirectoryOption, named_project
from hashistack.cli.output import Output
from hashistack.toolchain import Tool, ToolError, entries, host_arch, resolve, verify
from hashistack.toolchain.build import recipe
from hashistack.toolchain.resolution import build
from hashistack.toolchain.tool import NAMES, Progress


class Format(StrEnum):
    """Of packages."""

    APK = "apk"


app = typer.Typer(no_args_is_help=True, help="Pinned nomad, consul, vault, pulumi and CNI plugins.")


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text or json")]
NamesArgument = Annotated[list[str] | None, typer.Argument(help="nomad, consul, …; all when left out")]
VersionOption = Annotated[str | None, typer.Option(help="such as 1.11.3; the newest known when left out")]
ArchOption = Annotated[str | None, typer.Option(help="amd64 or arm64; this machine's when left out")]


@app.command("list")
def list_(output: OutputOption = Output.TEXT) -> None:
    """What is in the cache, where it came from, and what one built from source can't do."""
    found = entries()
    rows = [
        {
            **_row(entry.tool),
            "place": entry.origin.place,
            "megabytes": round(entry.size / 1e6),
            "sha256": entry.tool.sha256,
            "path": str(entry.tool.path),
            "without": list(entry.origin.without),
        }
        for entry in found
    ]
    _show(rows, output, hidden=("sha256", "path", "without"), empty="The cache is empty: `hashistack toolchain fetch`.")
    if output is Output.TEXT:
        for entry in found:
            for left_out in entry.origin.without:
                typer.echo(f"{entry.tool.name} {entry.tool.version}, built from source, is without {left_out}")


@app.command()
def fetch(
    names: NamesArgument = None,
    version: VersionOption = None,
    arch: ArchOption = None,
    sha256: Annotated[str | None, typer.Option(help="accept only this digest; with one name")] = None,
    static: Annotated[bool, typer.Option(help="only executables that need no C library")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Get tools: PATH (pulumi only), cache, mirror ($HASHISTACK_MIRROR), official release, or a build from source."""
    if sha256 and len(names or []) != 1:
        raise typer.BadParameter("--sha256 is the digest of one tool: name it")
    chosen = arch or host_arch()
    _get(
        _chosen(names, version),
        output,
        lambda name, number, say: _resolved(name, number, chosen, say, sha256=sha256, static=static),
    )


@app.command("build")
def build_(
    names: NamesArgument = None,
    version: VersionOption = None,
    arch: ArchOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Build static tools from source, minutes each, even when another source has them."""
    _get(
        _chosen(names, version),
        output,
        lambda name, number, say: build(name, number, arch or host_arch(), say),
    )


@app.command()
def package(
    key: Annotated[Path, typer.Option(help="RSA key (PEM) that signs: `openssl genrsa -out FILE 4096` makes one")],
    names: Annotated[list[str] | None, typer.Argument(help="nomad, consul, vault; all when left out")] = None,
    version: VersionOption = None,
    arch: ArchOption = None,
    format_: Annotated[Format, typer.Option("--format", help="apk: Alpine's")] = Format.APK,
    directory: Annotated[Path, typer.Option("--directory", help="where the repository is made")] = Path("packages"),
    output: OutputOption = Output.TEXT,
) -> None:
    """Make signed packages of static tools, with services for OpenRC, and an index: a repository for `apk`."""
    from hashistack.toolchain import alpine, apk

    for name in names or ():
        if name not in alpine.NAMES:
            raise typer.BadParameter(f"{name} is not packaged: there are {', '.join(alpine.NAMES)}")
    chosen = arch or host_arch()
    got: list[Tool] = []
    try:
        signer = apk.key(key)
        _collect(
            _chosen(names or alpine.NAMES, version),
            got,
            lambda name, number, say: _resolved(name, number, chosen, say, static=True),
        )
        made = alpine.publish(got, signer, directory)
    except ToolError as error:
        _fail(error)
    rows = [{**_row(tool), "path": str(path)} for tool, path in zip(got, made, strict=True)]
    _show(rows, output)
    if output is Output.TEXT:
        typer.echo(
            f"A machine that is to use them has {directory / signer.name} in /etc/apk/keys,"
            f" and in /etc/apk/repositories the place where it finds {directory}."
        )


@app.command("verify")
def verify_(output: OutputOption = Output.TEXT) -> None:
    """Hash what is cached again, run it, run it in an empty root if static; exit code 2 if any is wrong."""
    found = verify()
    rows = [
        {
            **_row(check.tool),
            "ok": check.ok,
            "intact": check.intact,
            "static": check.static,
            "says": check.version,
            "alone": check.alone,
            "note": check.note,
        }
        for check in found
    ]
    _show(rows, output, empty="The cache is empty: `hashistack toolchain fetch`.")
    if not all(check.ok for check in found):
        raise typer.Exit(2)


@app.command()
def prove(
    release: Annotated[str, typer.Argument(metavar="PRODUCT=VERSION", help="such as nomad=2.0.4; nomad: the newest")],
    directory: DirectoryOption = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="where it is written; else proof-PRODUCT-VERSION.json here")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make clusters with a release in a stack of their own, upgrade one to it, and write down how that went."""
    from hashistack.cli.commands import prove as command
    from hashistack.cli.output import Show

    product, version = command.release_of(release)
    project = named_project(directory, command.STACK, None, deployed=False, changes=True, whole=True)
    place = file or Path(f"proof-{product}-{version}.json")
    command.prove(project, Show(output), product, version, place)


def _resolved(
    name: str, version: str, arch: str, say: Progress, *, sha256: str | None = None, static: bool = False
) -> Tool:
    # Without a digest of the user's own, the catalog's holds.
    return resolve(name, version, arch, say, sha256=sha256 or _cataloged(name, version, arch), static=static)


def _cataloged(name: str, version: str, arch: str) -> str | None:
    """The digest of a release's archive where the catalog has it."""
    from hashistack.spec.catalog import Product  # imported here, with all that a specification needs
    from hashistack.spec.versions import release

    facts = release(cast(Product, name), version)
    return facts.sha256.get(arch) if facts else None


def _chosen(names: Sequence[str] | None, version: str | None) -> list[tuple[str, str]]:
    if version and len(names or []) != 1:
        raise typer.BadParameter("--version is of one tool: name it")
    newest = dict(sorted(recipe.available(), key=lambda pair: [int(part) for part in pair[1].split(".")]))
    for name in names or ():
        if name not in NAMES:
            raise typer.BadParameter(f"unknown tool {name}: there are {', '.join(NAMES)}")
    return [(name, version or newest[name]) for name in names or NAMES]


def _get(tools: list[tuple[str, str]], output: Output, get: Callable[[str, str, Progress], Tool]) -> None:
    """Get each in turn, and show what was got, also of a run that fails."""
    got: list[Tool] = []
    try:
        _collect(tools, got, get)
    except ToolError as error:
        _fail(error)
    finally:
        _show([{**_row(tool), "path": str(tool.path)} for tool in got], output)


def _collect(tools: list[tuple[str, str]], got: list[Tool], get: Callable[[str, str, Progress], Tool]) -> None:
    """Get each in turn into `got`; on a terminal the progress is one line that is rewritten."""
    errors = Console(stderr=True)
    for name, version in tools:
        if errors.is_terminal:
            with errors.status(f"{name} {version}") as status:
                got.append(get(name, version, status.update))
        else:
            got.append(get(name, version, lambda text: errors.print(text, highlight=False, soft_wrap=True)))


def _fail(error: ToolError) -> NoReturn:
    Console(stderr=True).print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(2) from None


def _row(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "version": tool.version, "arch": tool.arch, "source": tool.source}


def _show(rows: list[dict[str, Any]], output: Output, hidden: tuple[str, ...] = (), empty: str = "") -> None:
    """Print rows that share their keys; `hidden` columns are in the JSON only."""
    if output is Output.JSON:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        if empty:
            typer.echo(empty)
        return
    table = Table(box=None, pad_edge=False)
    columns = [column for column in rows[0] if column not in hidden]
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    Console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
