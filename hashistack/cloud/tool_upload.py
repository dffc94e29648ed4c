"""The tools that a cluster's machines install, on their way from this machine's cache to the cluster's bucket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pulumi

from hashistack.machine.roles import SERVER, Tool
from hashistack.machine.roles import tools as needed
from hashistack.spec import ClusterSpec
from hashistack.toolchain.resources import Tools

Upload = Callable[[str, pulumi.Output[str], pulumi.Output[pulumi.Asset]], pulumi.Output[str]]
"""Puts a file (name of the resource, key, content) into the cluster's bucket; returns its URL."""


class ToolUpload:
    """Uploads each tool once for each architecture that a pool has.

    static: whether only binaries without a C library will do; Alpine has none.
    """

    def __init__(
        self, name: str, spec: ClusterSpec, static: bool, upload: Upload, opts: pulumi.ResourceOptions
    ) -> None:
        self._pushed: dict[tuple[str, str], pulumi.Output[dict[str, str]]] = {}
        for arch, tools in wanted(spec).items():
            found = Tools(
                f"{name}-tools-{arch}",
                versions={tool: spec.versions.of(tool) for tool in tools},
                digests={tool: spec.versions.digests(tool)[arch] for tool in tools if spec.versions.digests(tool)},
                arch=arch,
                static=static,
                packed=True,
                opts=opts,
            ).tools
            for tool in tools:
                facts = found[tool]
                url = upload(f"{name}-{tool}-{arch}", facts.apply(_key(tool)), facts["path"].apply(pulumi.FileAsset))
                self._pushed[arch, tool] = pulumi.Output.all(
                    name=tool, version=facts["version"], sha256=facts["sha256"], url=url
                )

    def binaries(self, pool: str, arch: str) -> pulumi.Output[list[dict[str, str]]]:
        """What `machine.bundle.Binary` is made of, for the machines of a pool: known once it has been uploaded."""
        found: pulumi.Output[list[dict[str, str]]] = pulumi.Output.all(
            *(self._pushed[arch, tool] for tool in needed(pool))
        )
        return found


def wanted(spec: ClusterSpec) -> dict[str, Sequence[Tool]]:
    """Architecture to the tools that the pools of it need, each once."""
    found: dict[str, dict[Tool, None]] = {}
    for pool, arch in ((SERVER, spec.servers.arch), *((each.name, each.arch) for each in spec.clients)):
        found.setdefault(arch, {}).update(dict.fromkeys(needed(pool)))
    return {arch: tuple(sorted(tools)) for arch, tools in found.items()}


def _key(tool: str) -> Callable[[Mapping[str, str]], str]:
    """The object's key for what is known of a tool; a tool of several files is a tar."""

    def key(facts: Mapping[str, str]) -> str:
        return f"tools/{tool}/{facts['version']}/{facts['sha256']}/{facts['path'].rpartition('/')[2]}"

    return key
