"""Components for programs in other languages: the engine asks the plugin to make one, and it declares its children."""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import Any

import pulumi
from pulumi.provider import ConstructResult
from pulumi.provider import Provider as Sdk
from pulumi.provider.server import ProviderServicer

from hashistack.provider import registry
from hashistack.provider.component_types import arguments_of, made, outputs_of

_ONE = Lock()
"""The SDK keeps what it makes a component for in one place for the whole process."""


def construct(request: Any, engine_address: str) -> Any:
    """Answer a request of the engine for a component. Raises pulumi.RunError with what is wrong with its arguments."""
    servicer = ProviderServicer(_Components(), [], engine_address)
    with _ONE:
        return asyncio.run(servicer.Construct(request, None))


class _Components(Sdk):
    def __init__(self) -> None:
        super().__init__("", None)

    def construct(
        self, name: str, resource_type: str, inputs: Any, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        component = registry.component(resource_type)
        built = component(name, made(arguments_of(component), inputs), options)
        return ConstructResult(built.urn, {one: getattr(built, one) for one in outputs_of(component)})
