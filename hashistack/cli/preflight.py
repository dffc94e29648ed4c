"""`hashistack doctor`: what is found of this machine, or of all that a project's program needs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from hashistack.cli.engine import Engine
from hashistack.cli.errors import Refusal
from hashistack.cli.events import Condenser
from hashistack.cli.project import Project
from hashistack.component.findings import WORTH_KNOWING, Finding
from hashistack.platforms import every, operations, with_sdk
from hashistack.spec import catalog
from hashistack.spec.release_warnings import of_releases

CATALOG_DAYS: Final = 90
"""Three monthly cycles of the vendor's releases."""


def of_machine() -> list[Finding]:
    """What this machine must have for a cluster of a platform whose machines it makes itself."""
    return [*(one for platform in every() for one in with_sdk(platform, platform.findings)), *of_catalog()]


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
    if all(one.sentence != WORTH_KNOWING for one in found):  # an unchanged specification says nothing in a preview
        found += of_releases_of(engine)
    return [*found, *of_catalog()]


def of_account(engine: Engine) -> list[Finding]:
    """What the account says to what the stack's clusters are made from: the platform's own free calls."""
    found: list[Finding] = []
    for connection in engine.connections().values():
        platform = operations(connection.provider)
        found += with_sdk(platform, lambda: platform.account(connection))  # noqa: B023 (called at once)
    if not found:
        told = "no cluster of this stack is in an account that could be asked"
        return [Finding("the account is asked", None, told, "hashistack up first: it is asked with what that made")]
    return found


def of_catalog() -> list[Finding]:
    """Whether the releases' vulnerabilities are still known as well as they can be."""
    if (datetime.now(UTC).date() - date.fromisoformat(catalog.CHECKED)).days <= CATALOG_DAYS:
        return []
    sentence = f"the catalog of releases was made within {CATALOG_DAYS} days"
    return [Finding(sentence, None, f"on {catalog.CHECKED}", "a newer hashistack may know more vulnerabilities")]


def of_releases_of(engine: Engine) -> list[Finding]:
    """What is known of the releases of the clusters that the stack has."""
    try:
        connections = engine.connections()
    except Refusal:
        return []
    return [
        Finding(WORTH_KNOWING, None, f"{connection.name}: {told.what}", told.remedy.removeprefix("Next: "))
        for connection in connections.values()
        if (told := of_releases(connection.versions))
    ]
