"""A platform's preflight, asked by its component before it declares anything.

It is a function of our plugin, and not the check of a resource: the engine registers a program's resources side by
side, so that others would be made before one is found unfit. A function's caller waits for its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from hashistack.component.findings import Finding, parsed
from hashistack.provider.link import PluginNotLinked, link
from hashistack.version import VERSION


def preflight(token: str, asked: Mapping[str, Any]) -> list[Finding]:
    """Everything that stands against the cluster; what is only worth knowing becomes warnings.

    token: the platform's function. It answers `{"findings": JSON}`; a test's mocks may answer nothing at all.

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
