"""Pinned tools, each by digest: pulumi, nomad, consul, vault and CNI plugins, for linux amd64 and arm64."""

from hashistack.toolchain.resolution import build, resolve
from hashistack.toolchain.tool import DigestRefused, Tool, ToolError, host_arch

__all__ = ["DigestRefused", "Tool", "ToolError", "build", "host_arch", "resolve"]
