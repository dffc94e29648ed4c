"""LocalImage's and LocalArtifacts' handlers: what machines are made of, kept in this machine's caches."""

from __future__ import annotations

from hashistack.local.listing import has_image
from hashistack.local.recipe import tag
from hashistack.local.site import engine
from hashistack.provider.handler import Context, Diff, Handler, Props, ResourceFailed, changed


class ImageHandler(Handler):
    """The machine image, built once and then Docker's. Destroy leaves it: it belongs to no cluster.

    Outputs: image (its tag), static (whether only static binaries run in it).
    """

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        return Diff() if olds["image"] == tag() and has_image(tag()) else Diff(update=("image",))

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        return "image", self._ensured(ctx)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        return self._ensured(ctx)

    def _ensured(self, ctx: Context) -> Props:
        from hashistack.local.image import ImageError, ensure

        try:
            ensure(engine(), ctx.progress)
        except ImageError as error:
            raise ResourceFailed(str(error)) from error
        libc = engine().images.get(tag()).labels["hashistack.libc"]
        return {"image": tag(), "static": libc == "musl"}


class ArtifactsHandler(Handler):
    """The pinned binaries in the toolchain's cache.

    Inputs: versions (name to version), digests (name to the sha256 that alone is accepted), arch, static (only
    binaries without a C library will do). Outputs: tools (name to version, sha256, path: the directory to mount).
    """

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        from pathlib import Path

        gone = any(not Path(tool["path"]).is_dir() for tool in olds["tools"].values())
        return Diff(update=("tools",)) if gone else Diff(update=changed(olds, news))

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        return "artifacts", self._resolved(ctx, news)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        return self._resolved(ctx, news)

    def _resolved(self, ctx: Context, news: Props) -> Props:
        from hashistack.toolchain import ToolError, resolve

        tools = {}
        for name, version in news["versions"].items():
            try:
                pinned = (news.get("digests") or {}).get(name)
                tool = resolve(name, version, news["arch"], ctx.progress, sha256=pinned, static=news["static"])
            except ToolError as error:
                raise ResourceFailed(str(error)) from error
            path = tool.path if tool.path.is_dir() else tool.path.parent
            tools[name] = {"version": version, "sha256": tool.sha256, "path": str(path)}
        return {"tools": tools}
