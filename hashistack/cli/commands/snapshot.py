"""`hashistack snapshot`: take one of all three products, check it, list them, put one back, take them at intervals."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashistack.cli.options import ClusterOption, DirectoryOption, OutputOption, StackOption, named_project
from hashistack.cli.output import Output

if TYPE_CHECKING:
    from hashistack.cli.output import Show
    from hashistack.cli.project import Project
    from hashistack.ops.api.connection import Connection
    from hashistack.ops.readiness.checks import Update
    from hashistack.ops.snapshots.archive import Archive

app = typer.Typer(no_args_is_help=True, help="Snapshots of Nomad, Consul and Vault, all three in one archive.")

TICK_SECONDS = 0.5
_LIVE = 160
"""Characters of what is waited for; a machine's whole report is longer than anybody reads."""

ArchiveArgument = Annotated[
    str,
    typer.Argument(
        metavar="ARCHIVE", help="a file that `snapshot save` wrote, or its s3://BUCKET/KEY or gs://BUCKET/KEY"
    ),
]


@app.command()
def save(
    target: Annotated[
        str | None,
        typer.Argument(
            help="the archive, or a directory, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX for it; else the project's "
            ".hashistack",
            show_default=False,
        ),
    ] = None,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Take a snapshot of all three products into one archive, which is written whole or not at all."""
    from hashistack.cli import archive_store
    from hashistack.cli.events import Line
    from hashistack.cli.output import Show
    from hashistack.cli.stopped import reached
    from hashistack.ops.rollout.event_log import stamp
    from hashistack.ops.snapshots import save as snapshot
    from hashistack.ops.snapshots.archive import look
    from hashistack.platforms import driver

    project = named_project(directory, stack, cluster)
    connection, started = _connection(project), time.monotonic()
    with reached(connection) as opened, Show(output) as show:
        key = driver(connection).vault_init()
        with archive_store.written(target or str(_place(project)), f"{stamp()}.tar") as (file, where):
            snapshot.save(opened, file, key, lambda text: show.line(Line("done", text, time.monotonic() - started)))
            row = _row(look(file), where)
        show.result({"ok": True, **row}, where)


@app.command()
def verify(file: ArchiveArgument, output: OutputOption = Output.TEXT) -> None:
    """Check an archive to its last byte, without a cluster; exit code 2 when it is not whole and sound."""
    from hashistack.cli import archive_store
    from hashistack.cli.output import Show
    from hashistack.ops.snapshots import archive

    with archive_store.fetched(file) as here:
        found = archive.verify(here)
        row = _row(found, file)
    parts = found.manifest.parts
    lines = [f"  {part.product} {part.version}, index {part.index}, sha256 {part.sha256}" for part in parts]
    told = f"whole and sound: {found.manifest.cluster} as of {found.manifest.taken}"
    Show(output).result({"ok": True, **row}, "\n".join([told, *lines]))


@app.command("list")
def list_(
    place: Annotated[
        str | None,
        typer.Argument(
            help="the directory, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX; else the project's .hashistack",
            show_default=False,
        ),
    ] = None,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """The archives in a directory, the newest first. What they hold is not checked: `verify` does that."""
    from rich.console import Console
    from rich.table import Table

    from hashistack.cli import archive_store
    from hashistack.ops.snapshots import archive

    where = place or str(_place(named_project(directory, stack, cluster)))
    found, bad = archive_store.listed(where)
    if output is Output.JSON:
        rows = [_row(one.archive, one.where, one.size) for one in found]
        typer.echo(json.dumps({"archives": rows, "bad": bad}, indent=2))
        return
    if found:
        table = Table(box=None, pad_edge=False)
        for column in ("taken", *archive.PRODUCTS, "size", "file"):
            table.add_column(column, overflow="fold")
        for one in found:
            manifest = one.archive.manifest
            versions = (manifest.part(product).version for product in archive.PRODUCTS)
            taken = manifest.taken[:16].replace("T", " ")
            table.add_row(taken, *versions, archive.readable(one.size), one.archive.file.name)
        # As wide as it needs: a name in two lines can neither be copied nor found.
        Console(highlight=False, soft_wrap=True, width=1000).print(table)
    for text in bad or ([] if found else [f"{where} holds no snapshot archive"]):
        typer.echo(text)


@app.command()
def restore(
    file: ArchiveArgument,
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    unseal_key_file: Annotated[
        Path | None,
        typer.Option(help="the unseal key (base64) of the archive's Vault, where it holds none", show_default=False),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Put an archive back, onto the machines that run or onto new ones of its stack; ends when it is ready for jobs."""
    from hashistack.cli import archive_store
    from hashistack.cli.errors import Refusal
    from hashistack.cli.output import Show
    from hashistack.cli.stopped import reached
    from hashistack.ops.readiness.checks import NotReady
    from hashistack.ops.readiness.smoke import SmokeFailed
    from hashistack.ops.snapshots import archive, key_wrap
    from hashistack.ops.snapshots.inventory import contents
    from hashistack.ops.snapshots.restore import refuse_unfit
    from hashistack.ops.snapshots.restore import restore as put_back
    from hashistack.platforms import driver

    with ExitStack() as open_:
        found = archive.verify(open_.enter_context(archive_store.fetched(file)))
        connection = _connection(named_project(directory, stack, cluster, changes=True))
        key = key_wrap.document(unseal_key_file.read_text()) if unseal_key_file else ""
        opened = open_.enter_context(reached(connection))
        refuse_unfit(opened, found, key)
        question = f"Replace {contents(opened)} of {connection.name} by what it held on {found.manifest.taken}?"
        if not yes:
            if not sys.stdin.isatty():
                raise Refusal(f"{question} Nothing was done", "say --yes")
            typer.confirm(question, abort=True)
        show, started = Show(output), time.monotonic()
        try:
            with _ticking(show, "restoring") as told:
                put_back(opened, found, key, driver(connection).keep_vault_init, told)
        except (NotReady, SmokeFailed) as late:
            raise Refusal(
                late.what, late.remedy or "hashistack status says more; repeating the same command is safe"
            ) from None
        seconds = time.monotonic() - started
        text = f"restored in {seconds:.1f} s · {connection.name} as of {found.manifest.taken}"
        show.result({"ok": True, "seconds": round(seconds, 1), **_row(found, file)}, text)


@app.command()
def schedule(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    place: Annotated[
        str | None,
        typer.Option("--directory", help="the path of a host volume of a client pool", show_default=False),
    ] = None,
    bucket: Annotated[
        str | None,
        typer.Option(help="s3://BUCKET/PREFIX; its access key, region and endpoint as AWS_* say", show_default=False),
    ] = None,
    every: Annotated[str, typer.Option(help="time between two, as 30m, 1h or 24h")] = "1h",
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="how many archives stay in the directory; 72 unless it is said", show_default=False),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="end it; the archives stay")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Have a Nomad job take snapshots at intervals, into a directory of clients or a bucket; repeat it to change it."""
    import os

    from hashistack.cli.errors import Refusal
    from hashistack.cli.output import Show
    from hashistack.cli.stopped import reached
    from hashistack.ops.snapshots import schedule as job
    from hashistack.ops.snapshots.destination import Bucket, Directory
    from hashistack.platforms import driver
    from hashistack.spec.durations import seconds

    if [place is not None, bucket is not None, off].count(True) != 1:
        raise Refusal(
            "say one of --directory PATH and --bucket s3://BUCKET/PREFIX, for where the archives go, or --off"
        )
    if bucket is not None and keep is not None:
        raise Refusal("--keep is for --directory. In a bucket, let a lifecycle rule of its own end what is old")
    destination: Directory | Bucket | None = None
    if bucket is not None:
        destination = Bucket.parse(bucket, os.environ)
    elif place is not None:
        destination = Directory(place, keep or Directory.keep)
    try:
        between = seconds(every)
    except ValueError as error:
        raise Refusal(f"--every {every}: {' '.join(error.args)}") from None
    connection = _connection(named_project(directory, stack, cluster, changes=True))
    with reached(connection) as opened:
        if destination is None:
            job.unschedule(opened)
            Show(output).result({"ok": True, "every": None}, "snapshots are taken no more; the archives stay")
            return
        with _ticking(Show(output), "the job's first run"):
            machine = job.schedule(opened, destination, between, driver(connection).vault_init())
    told: dict[str, Any] = {"ok": True, "every": every, "machine": machine}
    if isinstance(destination, Directory):
        told |= {"directory": destination.path, "keep": destination.keep}
        text = f"into {destination.path} of a client, the newest {destination.keep} stay; the first is on {machine}"
    else:
        told["bucket"] = bucket
        text = f"into {bucket}; the first is there, from {machine}"
    Show(output).result(told, f"a snapshot every {every} {text}")


def _place(project: Project) -> Path:
    from hashistack.ops.rollout.event_log import place

    return place(project.directory, "snapshots")


def _connection(project: Project) -> Connection:
    from hashistack.cli.engine import Engine

    return Engine(project, lambda text: None).connection()


def _row(archive: Archive, where: str, size: int | None = None) -> dict[str, Any]:
    """An archive for programs; the closed key is nobody's business."""
    told = {key: value for key, value in asdict(archive.manifest).items() if key not in ("vault_init", "stack")}
    return {"file": where, "size": archive.file.stat().st_size if size is None else size, **told}


@contextmanager
def _ticking(show: Show, doing: str) -> Iterator[Callable[[Update], None]]:
    """What shows updates; keeps the clock running between two, since an upload says nothing while it lasts."""
    from hashistack.cli.events import Line

    started, over, turn = time.monotonic(), threading.Event(), threading.Lock()

    def told(update: Update) -> None:
        text = f"{update.sentence}: {update.detail}" if update.detail else update.sentence
        kind = "done" if update.done else "now"
        with turn:
            show.line(Line(kind, text if update.done else text[:_LIVE], update.seconds))

    def tick() -> None:
        while not over.wait(TICK_SECONDS):
            with turn:
                show.idle(time.monotonic() - started, doing)

    ticker = threading.Thread(target=tick, daemon=True)
    with show:
        ticker.start()
        try:
            yield told
        finally:
            over.set()
            ticker.join()
