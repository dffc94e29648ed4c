"""What is looked at before the engine runs: the account and the region of a project that makes its cluster on AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hashistack.cli.driver import without
from hashistack.cli.errors import Refusal
from hashistack.cli.output import Show
from hashistack.cli.project import Project
from hashistack.cli.settings import settings
from hashistack.component.findings import Finding, lines


def on_aws(project: Project) -> bool:
    """Whether the stack's configuration says that its cluster is on AWS (`aws:region`)."""
    return "aws:region" in settings(project.directory, project.name, project.stack)


def refuse_unfit(project: Project, show: Show) -> None:
    """Say what an `up` is going to make and what was found, and refuse with everything that stands against it.

    Does nothing for a local cluster, whose own resource looks at this machine.
    """
    if not on_aws(project):
        return
    found = findings(project)
    for line in lines(one for one in found if one.ok is not False):
        show.say(line)
    if wrong := [one for one in found if one.ok is False]:
        told = [f"{one.sentence}: no. {one.detail}{f'. Next: {one.remedy}' if one.remedy else ''}" for one in wrong]
        raise Refusal("\n".join([*told, "Nothing was made."]))


def findings(project: Project) -> list[Finding]:
    """Everything that a preflight on AWS finds.

    Raises:
        Refusal: AWS's SDKs are not installed.
        SpecError: the program's specification is none; says every problem.
    """
    said = settings(project.directory, project.name, project.stack)
    try:
        from hashistack.aws.ops import preflight, program_probe
    except ModuleNotFoundError as missing:
        raise without("aws", missing) from None
    from hashistack.spec import ClusterSpec

    found: list[Finding] = []
    try:
        declared = program_probe.read(project.directory, project.name, project.stack, said)
    except program_probe.Unreadable as error:
        given = _data(said.get(f"{project.name}:cluster")) or {}
        declared = program_probe.Ahead({"name": "cluster", **given})
        told = f"the reference cluster's needs are looked at instead: {error}"
        found = [Finding("the program can be read before it runs", None, told, "hashistack up shows the rest")]
    plan = preflight.Plan(
        spec=ClusterSpec.parse(declared.spec),
        region=str(said["aws:region"]),
        profile=said.get("aws:profile"),
        accounts=[str(one) for one in _data(said.get("aws:allowedAccountIds")) or ()],
        own_vpc=declared.own_vpc,
        # Another backend than files is not asked: what is there already may be ours.
        new=bool(project.backend) and project.stack not in project.stacks(),
    )
    return [*found, *preflight.run(plan)]


def _data(value: Any) -> Any:
    """A structured value: in the files it is one already, or its JSON text."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, Mapping | Sequence) else None
