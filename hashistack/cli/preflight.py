"""`hashistack doctor`: what is found of this machine, or of all that a project's program needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hashistack.cli.engine import Engine
from hashistack.cli.events import Condenser
from hashistack.cli.project import Project
from hashistack.component.findings import Finding
from hashistack.platforms import every, with_sdk


def of_machine() -> list[Finding]:
    """What this machine must have for a cluster of a platform whose machines it makes itself."""
    return [one for platform in every() for one in with_sdk(platform, platform.findings)]


def of_project(project: Project) -> list[Finding]:
    """What the preflights of the program's clusters find, in a preview by the real engine: nothing is made.

    A stack that is not there yet is made, empty, as `up` does: the engine previews no other.
    """
    engine, condenser = Engine(project, lambda text: None), Condenser()
    engine.unlock()
    engine.make_stack()

    def on_event(event: Mapping[str, Any], seconds: float) -> None:
        for _ in condenser.feed(event, seconds):
            pass  # the findings alone are wanted

    ended = engine.run("preview", on_event, lambda seconds: None)
    found = list(condenser.findings)
    for platform in every():
        if platform.component in condenser.types:
            found += with_sdk(platform, platform.findings)
    if ended.code and all(one.ok is not False for one in found):
        told = condenser.errors or [line for line in ended.output.splitlines() if line.strip()][-8:]
        detail = "\n     ".join(line for text in told for line in text.splitlines())
        found.append(Finding("the program runs to its end", False, detail, "repair it; pulumi preview shows more"))
    return found
