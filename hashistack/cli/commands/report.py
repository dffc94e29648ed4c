"""`hashistack report`: the rollout report from recorded events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hashistack.cli.options import DirectoryOption, OutputOption
from hashistack.cli.output import Output


def report(
    events: Annotated[
        Path | None,
        typer.Argument(
            metavar="EVENTS.ndjson", help="what `-o json` printed; else the project's last rollout", show_default=False
        ),
    ] = None,
    directory: DirectoryOption = None,
    probe: Annotated[
        Path | None, typer.Option(metavar="SAMPLES.ndjson", help="what a probe saw meanwhile", show_default=False)
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="where to; else EVENTS.html", show_default=False)
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write the report of a rollout: one HTML file that needs nothing else, and its data as JSON beside it."""
    from hashistack.cli.errors import Refusal
    from hashistack.cli.output import Show
    from hashistack.ops.report import write
    from hashistack.ops.report.samples import read as read_samples
    from hashistack.ops.rollout.event_log import recorded
    from hashistack.ops.rollout.events import read as read_events

    if events is None:
        project = directory or Path.cwd()
        if not (found := recorded(project)):
            raise Refusal(f"no rollout is recorded in {project}", "name a project with -C, or a file of events")
        events = found[-1]
    samples = read_samples(_lines(probe), str(probe)) if probe else []
    page = html or events.with_suffix(".html")
    if {page, page.with_suffix(".json")} & {events, probe}:
        raise Refusal("the report would be written over its own input", f"--html with another name than {page}")
    beside = write(read_events(_lines(events), str(events)), samples, page)
    Show(output).result({"ok": True, "html": str(page), "json": str(beside)}, f"{page}\n{beside}")


def _lines(file: Path) -> list[str]:
    from hashistack.cli.errors import Refusal

    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise Refusal(f"{file} can't be read: {error.strerror}", "name a file that exists") from None
    except UnicodeDecodeError:
        raise Refusal(f"{file} is not text; it should be one JSON object a line") from None
