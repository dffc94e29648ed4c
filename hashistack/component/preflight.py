"""A preflight, asked by a cluster's component before it declares anything.

It is a function of our plugin, and not the check of a resource: the engine registers a program's resources side by
side, so that others would be made before one is found unfit. A function's caller waits for its answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pulumi

from hashistack.component.findings import Finding, parsed
from hashistack.provider.link import PluginNotLinked, link
from hashistack.version import VERSION

if TYPE_CHECKING:
    from hashistack.spec.problems import Problem

_ALL: Final = "hashistack:index:preflight"


def preflight(token: str, asked: Mapping[str, Any]) -> list[Finding]:
    """Everything that stands against the cluster; what is only worth knowing becomes warnings.

    token: the function. It answers `{"findings": JSON}`; a test's mocks may answer nothing at all.

    Raises:
        pulumi.RunError: the plugin can't be linked, or the look itself failed.
    """
    try:
        link()
        answer = pulumi.runtime.invoke(token, dict(asked), pulumi.InvokeOptions(version=VERSION)).value
    except PluginNotLinked as error:
        raise pulumi.RunError(str(error)) from None
    found = parsed((answer or {}).get("findings") or "[]")
    for one in found:
        if one.ok is None:
            pulumi.log.warn(str(one))  # without a resource: then it is sent before the program can end
    return [one for one in found if one.ok is False]


def of_every_platform(spec: str) -> list[Finding]:
    """What stands against `spec` (JSON text) on any platform. Raises pulumi.RunError."""
    return preflight(_ALL, {"spec": spec, "build": not pulumi.runtime.is_dry_run()})


def refuse(problems: Sequence[Problem], found: Sequence[Finding]) -> None:
    """Raises pulumi.RunError, which every language host shows without a traceback, with everything at once."""
    told = [*map(str, problems), *map(str, found)]
    if found:
        told.append("Nothing was made.")
    if told:
        raise pulumi.RunError("\n".join(told))
