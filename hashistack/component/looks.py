"""The look before an `up` that every platform has: at the agents' own settings, and at the registries."""

from __future__ import annotations

import json

from hashistack.component import own_settings, registries
from hashistack.component.findings import marked, text
from hashistack.provider.handler import Context, Props
from hashistack.spec import ClusterSpec


def answer(ctx: Context, asked: Props) -> Props:
    """The function `hashistack:index:preflight`: `{"spec": JSON, "build": bool}` to `{"findings": JSON}`.

    build: whether a tool that only a build from source can bring is built for this; a preview builds none.
    """
    spec = ClusterSpec.parse(json.loads(asked["spec"]))
    found = [*own_settings.findings(spec, build=asked["build"], tell=ctx.progress), *registries.findings(spec)]
    for one in found:
        ctx.log("debug", marked(one))  # for `hashistack doctor`
    return {"findings": text(found)}
