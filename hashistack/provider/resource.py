"""The base of all our custom resources on the program's side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pulumi

from hashistack.provider.link import PluginNotLinked, link
from hashistack.version import VERSION


class HashistackResource(pulumi.CustomResource):
    """A resource that our plugin serves; declaring the first one makes the plugin known to Pulumi's engine.

    A subclass names its `resource_type`, annotates its outputs (`x: pulumi.Output[str]`) and passes its
    inputs as `props`; `outputs` names the computed ones, which are not among the inputs.
    Raises `pulumi.RunError` when Pulumi's plugin cache can't be written.
    """

    resource_type: ClassVar[str]
    outputs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str, props: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        try:
            link()
        except PluginNotLinked as error:
            raise pulumi.RunError(str(error)) from None  # every language host shows this as its one text
        # The SDK makes an attribute of each property that it is given: outputs are declared as None.
        declared: dict[str, Any] = {**dict.fromkeys(self.outputs), **props}
        # The version is what the engine looks for in its cache.
        merged = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(version=VERSION), opts)
        super().__init__(self.resource_type, name, declared, merged)
