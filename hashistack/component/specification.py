"""Specification's handler: refuses changes that no `up` can make, before anything else has changed.

What is only worth knowing it tells once for each change: what was said of the last specification is not said again.
"""

from __future__ import annotations

from hashistack.component.findings import WORTH_KNOWING, Finding, marked
from hashistack.provider.handler import Context, Diff, Handler, Props, ResourceFailed


class SpecificationHandler(Handler):
    """Inputs: spec (JSON text). It keeps what was declared last: a cloud's own resources cannot say it."""

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        if olds["spec"] == news["spec"]:
            return Diff()
        import json

        from hashistack.spec import ClusterSpec
        from hashistack.spec.immutable import problems

        old, new = (ClusterSpec.parse(json.loads(props["spec"])) for props in (olds, news))
        if refused := problems(old, new):
            raise ResourceFailed("\n".join(map(str, refused)))
        return Diff(update=("spec",))

    def preview(self, ctx: Context, olds: Props | None, news: Props) -> Props:
        self.tell(ctx, olds, news)
        return {}

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        self.tell(ctx, None, news)
        return "specification", {}

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        self.tell(ctx, olds, news)
        return {}

    def tell(self, ctx: Context, olds: Props | None, news: Props) -> None:
        """Warn of what is worth knowing of a new specification and was not so of the old one."""
        import json

        from hashistack.spec import ClusterSpec, warnings

        old, new = (warnings(ClusterSpec.parse(json.loads(props["spec"]))) if props else () for props in (olds, news))
        for one in new:
            if one not in old:
                ctx.warn(str(one))
            if ctx.preview:  # for `hashistack doctor`
                ctx.log("debug", marked(Finding(WORTH_KNOWING, None, f"spec.{one.path}: {one.what}", one.remedy)))
