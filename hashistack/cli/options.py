"""The options that several commands share, and what they choose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashistack.cli.output import Output

if TYPE_CHECKING:
    from hashistack.cli.project import Project

DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "-C",
        "--project",
        envvar="HASHISTACK_PROJECT",
        help="the Pulumi project; else this directory, else the only cluster that runs here",
        show_default=False,
    ),
]
StackOption = Annotated[
    str | None, typer.Option("--stack", "-s", help="the stack; else the only one, else `test`", show_default=False)
]
ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", help="a cluster that runs here, or one of several in the stack", show_default=False),
]
NamespaceOption = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        "-namespace",
        envvar="NOMAD_NAMESPACE",
        help="Nomad's namespace; else the job's own, else `default`",
        show_default=False,
    ),
]
IgnoreJobOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore-job",
        metavar="NAMESPACE/JOB",
        help="go on although this job fails on new machines, or its data goes with old ones; again for more",
        show_default=False,
    ),
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="CHANGE",
        help="go on although this breaking change concerns the cluster; again for more",
        show_default=False,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="print the plan and change nothing; exit code 1 when there is something to do")
]
SnapshotOption = Annotated[
    bool, typer.Option("--snapshot/--no-snapshot", help="take a snapshot of all three before servers are changed")
]
ReportOption = Annotated[Path | None, typer.Option("--report", metavar="FILE.html", help="write the report at the end")]
TtlOption = Annotated[
    str | None,
    typer.Option(
        "--ttl",
        envvar="HASHISTACK_TTL",
        metavar="DURATION",
        help="of a new cluster: after this time (4h, 90m) `hashistack gc` may remove it",
        show_default=False,
    ),
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text, or json (one object a line)")]


def named_project(
    directory: Path | None,
    stack: str | None,
    cluster: str | None,
    *,
    deployed: bool = True,
    changes: bool = False,
    whole: bool = False,
) -> Project:
    """The project and stack that a command's options mean; see `project.resolve`."""
    from hashistack.cli.project import resolve
    from hashistack.platforms import running

    return resolve(directory, stack, cluster, running, deployed=deployed, changes=changes, whole=whole)
