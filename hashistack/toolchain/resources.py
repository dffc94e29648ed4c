"""The pinned binaries as a resource, as a program declares it. The handler works in our provider plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from hashistack.provider.resource import HashistackResource


class Tools(HashistackResource):
    """The pinned binaries of one architecture, in the cache of the machine that runs Pulumi.

    ``versions``: name to version. ``digests``: name to the SHA-256 that alone is accepted. ``static``: only binaries
    that need no C library will do. ``packed``: a file each, to be uploaded; otherwise as they are used.
    """

    resource_type = "hashistack:index:Tools"
    outputs = ("tools",)

    tools: pulumi.Output[dict[str, Any]]
    """Tool to ``version``, ``sha256`` and ``path``."""

    def __init__(
        self,
        name: str,
        versions: Mapping[str, str],
        digests: Mapping[str, str],
        arch: str,
        static: pulumi.Input[bool],
        packed: bool | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"versions": dict(versions), "digests": dict(digests), "arch": arch, "static": static}
        super().__init__(name, {**inputs, **({"packed": True} if packed else {})}, opts)
