"""Specification, as a component declares it."""

from __future__ import annotations

import pulumi

from hashistack.provider.resource import HashistackResource


class Specification(HashistackResource):
    """What a cluster is declared to be, as JSON: a change of it that no `up` can make stops the `up` here."""

    resource_type = "hashistack:index:Specification"

    def __init__(self, name: str, spec: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"spec": spec}, opts)
