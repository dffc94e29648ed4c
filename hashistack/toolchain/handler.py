"""The handler of Tools: the pinned binaries that machines get, in this machine's cache."""

from __future__ import annotations

from hashistack.provider.handler import Context, Diff, Handler, Props, changed


class ToolsHandler(Handler):
    """The pinned binaries in the toolchain's cache, resolved when they change, or are no longer there for every user.

    Inputs: versions (name to version), digests (name to the sha256 that alone is accepted), arch, static (only
    binaries without a C library will do), packed (None: tools as they are used; true: a file each, to be uploaded).
    Outputs: tools (name to version, sha256 and path: the directory to mount, or the file, whose digest it then is).
    """

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        from pathlib import Path

        from hashistack.toolchain.modes import is_shared

        amiss = any(not is_shared(Path(tool["path"])) for tool in olds["tools"].values())
        return Diff(update=("tools",)) if amiss else Diff(update=changed(olds, news))

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        return "artifacts", self._resolved(ctx, news)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        return self._resolved(ctx, news)

    def _resolved(self, ctx: Context, news: Props) -> Props:
        from hashistack.toolchain import resolve
        from hashistack.toolchain.packing import packed
        from hashistack.toolchain.resolution import meanwhile
        from hashistack.toolchain.tool import Wanted

        digests, arch, static = news.get("digests") or {}, news["arch"], news["static"]
        wanted = [Wanted(name, version, arch, digests.get(name), static) for name, version in news["versions"].items()]
        tools = {}
        with meanwhile(wanted[1:]):
            for one in wanted:
                tool = resolve(one.name, one.version, arch, ctx.progress, sha256=one.sha256, static=static)
                if news.get("packed"):
                    path, sha256 = packed(tool)
                else:
                    path, sha256 = tool.path if tool.path.is_dir() else tool.path.parent, tool.sha256
                tools[one.name] = {"version": one.version, "sha256": sha256, "path": str(path)}
        return {"tools": tools}
