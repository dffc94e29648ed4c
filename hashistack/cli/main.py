"""The command line. Each command imports what it needs when it runs, so that `--help` and completion are quick."""

from __future__ import annotations

import sys

try:
    import typer
except ModuleNotFoundError as missing:
    if missing.name not in ("typer", "click", "rich"):
        raise
    from hashistack.platforms import PLATFORMS

    platforms = ", ".join(PLATFORMS)
    sys.exit(f"hashistack: the command line is an extra. Next: pip install 'hashistack[X]', X one of {platforms}, cli")

import os
from typing import Annotated

from hashistack import call_log
from hashistack.cli.commands import clusters, execute, garbage, graph, init, inventory, job, logs, scale, support, ui
from hashistack.cli.commands.config import app as config
from hashistack.cli.commands.cost import cost as cost_command
from hashistack.cli.commands.load import load as load_command
from hashistack.cli.commands.report import report as report_command
from hashistack.cli.commands.schema import schema as schema_command
from hashistack.cli.commands.smoke import smoke as smoke_command
from hashistack.cli.commands.snapshot import app as snapshot
from hashistack.cli.commands.toolchain import app as toolchain
from hashistack.cli.commands.tunnel import tunnel as open_tunnel
from hashistack.cli.errors import Interrupted, Refusal
from hashistack.cli.examples import EXAMPLES
from hashistack.cli.exit_codes import INTERRUPTED
from hashistack.cli.options import (
    AcceptOption,
    ClusterOption,
    DirectoryOption,
    DryRunOption,
    IgnoreJobOption,
    OutputOption,
    ReportOption,
    SnapshotOption,
    StackOption,
    TtlOption,
    named_project,
)
from hashistack.cli.output import Output
from hashistack.cli.streams import read_utf_8, write_anywhere
from hashistack.errors import expected
from hashistack.version import VERSION

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Reference Nomad, Consul and Vault clusters. A cluster is a Pulumi stack; these commands find it, "
    "run the engine, and look.",
)

app.add_typer(config, name="config")
app.add_typer(snapshot, name="snapshot")
app.add_typer(toolchain, name="toolchain")
_OWN = (report_command, load_command, clusters.list_, garbage.gc, schema_command, init.init, graph.graph, cost_command)
_MORE = (open_tunnel, ui.ui, smoke_command)
for one in (*_OWN, inventory.inventory, job.run, scale.scale, logs.logs, execute.execute, support.support, *_MORE):
    app.command({"execute": "exec", "list_": "list"}.get(one.__name__), epilog=EXAMPLES.get(one.__name__))(one)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="print the version and end")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="of any command: show each call to an API, Docker and the system")
    ] = False,
) -> None:
    if verbose:
        from hashistack.cli.verbose import follow

        follow()
    if version:
        typer.echo(f"hashistack {VERSION}")
        raise typer.Exit


@app.command()
def up(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    ignore_job: IgnoreJobOption = None,
    ttl: TtlOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="after the loss of all servers: begin again, empty")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make the cluster, start what is stopped, or change it to what the program says; ends when it is ready."""
    from hashistack.cli.commands.run import up as run
    from hashistack.cli.output import Show
    from hashistack.ops.rollout.ignored_jobs import ignore

    ignore(ignore_job or ())
    project = named_project(directory, stack, cluster, deployed=False, changes=True, whole=True)
    run(project, Show(output), anew=yes, ttl=ttl or "")


@app.command()
def stop(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Stop the machines of a local cluster; they keep their data, ports and addresses. Nothing leaves the cluster."""
    from hashistack.cli.commands.stop import stop as run
    from hashistack.cli.output import Show

    run(named_project(directory, stack, cluster, changes=True), Show(output))


@app.command()
def start(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Start the machines of a local cluster that are stopped; ends when it is ready for jobs."""
    from hashistack.cli.commands.stop import start as run
    from hashistack.cli.output import Show

    run(named_project(directory, stack, cluster, changes=True), Show(output))


@app.command()
def down(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    dry_run: DryRunOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Destroy the cluster with all its data, and prove that nothing is left."""
    from hashistack.cli.commands import run
    from hashistack.cli.output import Show

    project = named_project(directory, stack, cluster, changes=True, whole=True)
    if not (yes or dry_run):
        if not sys.stdin.isatty():
            raise Refusal("this destroys a cluster with all its data: say --yes")
        typer.confirm(f"Destroy stack {project.stack} of {project.directory} with all its data?", abort=True)
    _planned(run.destroyed(project, Show(output))) if dry_run else run.down(project, Show(output))


@app.command()
def status(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="follow it until Ctrl-C, a rollout too")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Who votes, who leads, what is ready; exit code 1 when the cluster is not healthy."""
    from hashistack.cli.commands.status import status as run

    if not run(named_project(directory, stack, cluster), watch, output):
        raise typer.Exit(1)


@app.command()
def upgrade(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="PRODUCT=VERSION (nomad=1.11.3); again for more")] = None,
    dry_run: DryRunOption = False,
    path: Annotated[
        bool, typer.Option("--path", help="print the hops and what they would break here, and do nothing")
    ] = False,
    accept: AcceptOption = None,
    snapshot: SnapshotOption = True,
    report: ReportOption = None,
    ignore_job: IgnoreJobOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Declare other versions and replace the machines, losing no request. Ctrl-C at any time; repeated, it goes on."""
    from hashistack.cli.commands import rollout as commands
    from hashistack.cli.output import Show
    from hashistack.ops.rollout.ignored_jobs import ignore

    ignore(ignore_job or ())
    project, versions = named_project(directory, stack, cluster, changes=True), commands.parse(to or [])
    if path:
        commands.show_path(project, Show(output), versions)
    elif dry_run:
        _planned(commands.dry_run(project, Show(output), roll=True, to=versions))
    else:
        with commands.reported(project, report):
            commands.upgrade(project, Show(output), versions, snapshot=snapshot, accept=accept or ())


@app.command()
def rollout(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    dry_run: DryRunOption = False,
    snapshot: SnapshotOption = True,
    report: ReportOption = None,
    ignore_job: IgnoreJobOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Replace machines that differ from what the stack declares. Ctrl-C at any time; repeated, it goes on."""
    from hashistack.cli.commands import rollout as commands
    from hashistack.cli.output import Show
    from hashistack.ops.rollout.ignored_jobs import ignore

    ignore(ignore_job or ())
    project = named_project(directory, stack, cluster, changes=True)
    if dry_run:
        _planned(commands.dry_run(project, Show(output), roll=True))
        return
    with commands.reported(project, report):
        commands.rollout(project, Show(output), roll=True, snapshot=snapshot)


@app.command()
def heal(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    dry_run: DryRunOption = False,
    ignore_job: IgnoreJobOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Start machines that are stopped, replace those that are lost, and forget what is left of these; roll nothing."""
    from hashistack.cli.commands import rollout as commands
    from hashistack.cli.output import Show
    from hashistack.ops.rollout.ignored_jobs import ignore

    ignore(ignore_job or ())
    project = named_project(directory, stack, cluster, changes=True)
    if dry_run:
        _planned(commands.dry_run(project, Show(output), roll=False))
    else:
        commands.rollout(project, Show(output), roll=False, snapshot=False)


def _planned(something: bool) -> None:
    if something:
        raise typer.Exit(1)


@app.command()
def env(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    cluster: ClusterOption = None,
    unset: Annotated[bool, typer.Option("--unset", help="lines that take it all back")] = False,
    shell: Annotated[str | None, typer.Option(help="sh or fish; else your $SHELL's", show_default=False)] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Lines for your shell: eval "$(hashistack env)" makes nomad, consul and vault work against the cluster."""
    from hashistack.cli.commands.env import Shell
    from hashistack.cli.commands.env import unset as lines
    from hashistack.cli.commands.status import environment

    try:
        chosen = Shell(shell or ("fish" if os.environ.get("SHELL", "").endswith("fish") else "sh"))
    except ValueError:
        raise typer.BadParameter(f"{shell} is not one of {', '.join(Shell)}", param_hint="--shell") from None
    typer.echo(lines(chosen) if unset else environment(named_project(directory, stack, cluster), chosen, output))


@app.command()
def doctor(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    account: Annotated[
        bool,
        typer.Option("--account", help="With -C: ask the cloud's account too, by calls that cost and change nothing."),
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look at this machine, or with -C at what a project's clusters need, and say what to do about what is missing."""
    from hashistack.cli.commands.status import doctor as run

    if account and not directory:
        raise typer.BadParameter("needs -C DIR: an account is asked about a project's clusters", param_hint="--account")
    project = named_project(directory, stack, None, deployed=False) if directory else None
    if not run(output, project, account):
        raise typer.Exit(2)


def _verbose_first(arguments: list[str]) -> list[str]:
    """`--verbose` is an option of all commands, so it may stand behind theirs; not behind `--`."""
    flag, end = "--verbose", arguments.index("--") if "--" in arguments else len(arguments)
    ours, others = arguments[:end], arguments[end:]
    return [flag, *(one for one in ours if one != flag), *others] if flag in ours else arguments


def main() -> None:
    """The console script: an error of ours is one text on standard error and exit code 2."""
    try:
        read_utf_8()
        write_anywhere()
        call_log.start()
        app(args=_verbose_first(sys.argv[1:]))
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            print("hashistack: interrupted. Repeating the same command goes on from here.", file=sys.stderr)
        raise
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except Exception as error:
        if not (told := expected(error)):
            raise  # a bug of ours shows its trace
        print(f"hashistack: {told}", file=sys.stderr)
        sys.exit(INTERRUPTED if isinstance(told, Interrupted) else 2)
