"""Pinned tools, each by digest: pulumi, nomad, consul, vault and CNI plugins, for linux amd64 and arm64."""

from hashistack.toolchain.cache import entries
from hashistack.toolchain.resolution import build, resolve
from hashistack.toolchain.tool import DigestRefused, Tool, ToolError, host_arch
from hashistack.toolchain.verification import Verification, verify

__all__ = [
    "DigestRefused",
    "Tool",
    "ToolError",
    "Verification",
    "build",
    "entries",
    "host_arch",
    "resolve",
    "verify",
]
