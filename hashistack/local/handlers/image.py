"""LocalImage's handler: what machines are made of, kept in this machine's Docker."""

from __future__ import annotations

from hashistack.local.docker_client import DockerHandler, engine
from hashistack.local.image.recipe import tag
from hashistack.provider.handler import Context, Diff, Props


class ImageHandler(DockerHandler):
    """The machine image, built once and then Docker's. Destroy leaves it: it belongs to no cluster.

    Outputs: image (its tag), static (whether only static binaries run in it).
    """

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        return (
            Diff()
            if olds["image"] == tag() and engine().api.images(name=tag(), quiet=True)
            else Diff(update=("image",))
        )

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        return "image", self._ensured(ctx)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        return self._ensured(ctx)

    def _ensured(self, ctx: Context) -> Props:
        from hashistack.local.image.build import ensure

        ensure(engine(), ctx.progress)
        libc = engine().images.get(tag()).labels["hashistack.libc"]
        return {"image": tag(), "static": libc == "musl"}
