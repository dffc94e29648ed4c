"""Specification's handler: refuses changes that no `up` can make, before anything else has changed."""

from __future__ import annotations

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

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        return "specification", {}

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        return {}
