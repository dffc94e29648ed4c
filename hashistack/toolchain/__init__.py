"""Pinned tools, each by digest: pulumi, nomad, consul, vault and CNI plugins, for linux amd64 and arm64."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hashistack.toolchain.cache import entries
    from hashistack.toolchain.resolution import resolve
    from hashistack.toolchain.tool import DigestRefused, Tool, ToolError, host_arch
    from hashistack.toolchain.verification import Verification, verify

_MODULES = {
    "DigestRefused": "hashistack.toolchain.tool",
    "Tool": "hashistack.toolchain.tool",
    "ToolError": "hashistack.toolchain.tool",
    "Verification": "hashistack.toolchain.verification",
    "entries": "hashistack.toolchain.cache",
    "host_arch": "hashistack.toolchain.tool",
    "resolve": "hashistack.toolchain.resolution",
    "verify": "hashistack.toolchain.verification",
}

__all__ = [
    "DigestRefused",
    "Tool",
    "ToolError",
    "Verification",
    "entries",
    "host_arch",
    "resolve",
    "verify",
]


def __getattr__(name: str) -> Any:
    # The language host lives in this package, and the engine waits for it at each start.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
