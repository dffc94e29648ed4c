"""A program's resources made in a project without an engine: what `record` asks of a cloud, this one makes.

Our own plugin's keys and tools are real ones. It makes and never changes: a program is run once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hashistack.gcp.ops.session import Google
from hashistack.provider.handler import Context
from hashistack.secrets.handler import ClusterSecretsHandler
from hashistack.testing import Gcp
from hashistack.toolchain.handler import ToolsHandler

from . import provider
from .compute import PROJECT, REGION


class Live(Gcp):
    """google: the project's APIs."""

    def __init__(self, google: Google) -> None:
        super().__init__(REGION, PROJECT)
        object.__setattr__(self, "google", google)

    google: Google

    def outputs(self, type: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        match type:
            case "hashistack:index:ClusterSecrets":
                return ClusterSecretsHandler().create(Context(), dict(inputs))[1]
            case "hashistack:index:Tools":
                return ToolsHandler().create(Context(), dict(inputs))[1]
        said = super().outputs(type, name, inputs)
        if not type.startswith("gcp:"):
            return said
        return {**said, **provider.make(self.google, type, name, inputs)}
