"""`hashistack smoke --account`: one machine in the account of a project's stack, from its boot to its end."""

from __future__ import annotations

import fcntl
import json
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hashistack.cli.options import DirectoryOption, OutputOption, StackOption, named_project
from hashistack.cli.output import Output

if TYPE_CHECKING:
    from hashistack.cli.output import Show
    from hashistack.cli.project import Project
    from hashistack.component.findings import Finding
    from hashistack.component.trial import Trial

PLACE: Final = ".state/smoke"
"""Where in the user's project the runs' own is while there is a run: with its state, which no other back end has."""
NAME: Final = "hashistack-smoke"


def smoke(
    directory: DirectoryOption = None,
    stack: StackOption = None,
    account: Annotated[
        bool, typer.Option("--account", help="in the cloud account of the project's stack: costs something")
    ] = False,
    image: Annotated[str, typer.Option("--image", help="what the machine boots, as the cluster's `image`")] = "alpine",
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE.md", help="the report; else smoke-REGION-DAY.md")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Try a cloud account with machines of its own, one from boot to termination; removes them, and writes a report."""
    import sys

    from hashistack.cli.errors import Refusal
    from hashistack.cli.output import Show
    from hashistack.cli.project import own_state

    if not account:
        raise typer.BadParameter("say --account: the machine is in the account of the stack", param_hint="--account")
    if report and not report.absolute().parent.is_dir():
        raise Refusal(f"{report} can't be written: its directory is not there", "name another one with --report")
    project = named_project(directory, stack, None, deployed=False)
    settings = settings_of(project)
    run = secrets.token_hex(3)
    trial = trial_of(run, settings)
    if not yes:
        if not sys.stdin.isatty():
            raise Refusal(f"this makes {trial.price}: say --yes")
        typer.confirm(f"Make {trial.price}, in {trial.region}?", abort=True)
    with own_state():
        held = tried(project, trial, run, settings, image, report, Show(output))
    if not held:
        raise typer.Exit(1)


def settings_of(project: Project) -> dict[str, Any]:
    """The stack's settings of platforms' providers, as `aws:region`; those that are secret are left out."""
    import yaml

    from hashistack.platforms import every

    said = (yaml.safe_load(project.settings.read_text()) or {}) if project.settings.exists() else {}
    providers = {platform.extra for platform in every()}
    return {
        name: value
        for name, value in (said.get("config") or {}).items()
        if name.partition(":")[0] in providers and not (isinstance(value, Mapping) and "secure" in value)
    }


def trial_of(run: str, settings: Mapping[str, Any]) -> Trial:
    """That of the platform whose provider the stack has settings of, else the only one there is. Raises Refusal."""
    from hashistack.cli.errors import Refusal
    from hashistack.platforms import every, with_sdk

    there = list(every())
    named = [one for one in there if any(name.startswith(f"{one.extra}:") for name in settings)]
    able = [found for one in named or there if (found := with_sdk(one, partial(one.trial, run, settings)))]
    if len(able) != 1:
        said = ", ".join(sorted(settings)) or "nothing"
        raise Refusal(
            f"the account can't be tried on the platform of this stack, which sets {said}",
            "name a stack with settings of an account on AWS: -C DIR --stack STACK",
        )
    return able[0]


def tried(
    project: Project,
    trial: Trial,
    run: str,
    settings: Mapping[str, Any],
    image: str,
    report: Path | None,
    show: Show,
) -> bool:
    """Make, watch, remove, prove and tell. Answers whether all held."""
    from hashistack.cli.commands.run import up
    from hashistack.cli.errors import Interrupted
    from hashistack.cli.project import Project
    from hashistack.component.findings import Finding, lines
    from hashistack.component.trial import Report, day
    from hashistack.errors import HashistackError
    from hashistack.version import VERSION

    place = project.directory / PLACE
    ours, found, begun = Project(place, run), list[Finding](), time.time()
    with alone(ours):
        for earlier in ours.stacks() if (place / "Pulumi.yaml").exists() else ():
            show.say(f"removing what an earlier run has left, {earlier} …")
            removed(Project(place, earlier), show)
        written(ours, trial.program, settings, image)
        try:
            with trial.watching():
                up(ours, show)
            for one in trial.go(show.say):
                found.append(one)
                show.say(lines([one])[0].strip())
        except Interrupted:
            removed(ours, show)
            raise Interrupted("interrupted; all that the run made is removed") from None
        except HashistackError as error:
            found.append(Finding("the run went to its end", False, str(error)))
        except BaseException:  # Ctrl-C between two looks
            removed(ours, show)
            raise
        found.append(gone(ours, trial, show))
    told = Report(
        {
            "hashistack": VERSION,
            "day": day(begun),
            "region": trial.region,
            "image": image,
            "run": run,
            "minutes": f"{(time.time() - begun) / 60:.0f}",
        },
        trial.timeline,
        found,
    )
    file = report or Path(f"smoke-{trial.region}-{day(begun)}.md")
    file.write_text(told.markdown())
    text = "\n".join([*lines(found), "", f"{'all held' if told.held else 'not all held'}; the report is {file}"])
    show.result({"ok": told.held, **told.data(), "report": str(file)}, text)
    return told.held


def written(ours: Project, program: str, settings: Mapping[str, Any], image: str) -> None:
    """The run's own project."""
    ours.directory.mkdir(parents=True, exist_ok=True)
    (ours.directory / "Pulumi.yaml").write_text(json.dumps({"name": NAME, "runtime": "python"}))
    (ours.directory / "__main__.py").write_text(f"from {program} import declare\n\ndeclare()\n")
    config = {**settings, f"{NAME}:run": ours.stack, f"{NAME}:image": image}
    ours.settings.write_text(json.dumps({"config": config}))


@contextmanager
def alone(ours: Project) -> Iterator[None]:
    """One run at a time, as the next one removes what it finds. What could not be removed stays there."""
    from hashistack.cli.errors import Refusal

    place = ours.directory
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal(f"another run is at work in {place}", "wait for its end") from None
        try:
            yield
        finally:
            if not ((place / "Pulumi.yaml").exists() and ours.stacks()):
                shutil.rmtree(place)


def gone(ours: Project, trial: Trial, show: Show) -> Finding:
    """Removes what the run made, and asks the account whether something is left."""
    from hashistack.cli.errors import Interrupted
    from hashistack.component.findings import Finding
    from hashistack.errors import HashistackError

    sentence = "nothing is left of it"
    try:
        with trial.watching():
            removed(ours, show)
    except Interrupted:
        raise
    except HashistackError as error:
        return Finding(sentence, False, str(error), "what is left costs; the next run in this project removes it")
    try:
        left = trial.left()
    except HashistackError as error:
        return Finding(sentence, None, str(error), "what is left would cost")
    return Finding(sentence, not left, "; ".join(left) or "the account has nothing with its tag", "it costs: delete it")


def removed(ours: Project, show: Show) -> None:
    """All that the run made, and its stack."""
    from hashistack.cli.commands.run import down
    from hashistack.cli.engine import Engine

    down(ours, show)
    if ours.stack in ours.stacks():
        Engine(ours, show.say).remove_stack()
