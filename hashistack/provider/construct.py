"""Components for programs in other languages: the engine asks the plugin to make one, and it declares its children."""

from __future__ import annotations

import asyncio
import dataclasses
import types
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, Union, get_args, get_origin, get_type_hints

import pulumi
from pulumi.provider import ConstructResult
from pulumi.provider import Provider as Sdk
from pulumi.provider.server import ProviderServicer

from hashistack.provider import registry

_ONE = Lock()
"""The SDK keeps what it makes a component for in one place for the whole process."""


def construct(request: Any, engine_address: str) -> Any:
    """Answer a request of the engine for a component. Raises pulumi.RunError with what is wrong with its arguments."""
    servicer = ProviderServicer(_Components(), [], engine_address)
    with _ONE:
        return asyncio.run(servicer.Construct(request, None))


def made(hint: Any, value: Any) -> Any:
    """A value of an argument, as its type wants it: numbers travel as doubles, options as plain objects."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):  # beside None, and outputs of it
        fits = [one for one in inner if dataclasses.is_dataclass(one) or get_origin(one) in (Mapping, Sequence)]
        return made(fits[0] if len(fits) == 1 else None, value)
    if isinstance(value, Mapping) and dataclasses.is_dataclass(hint) and isinstance(hint, type):
        of = hints(hint)
        return hint(**{name: made(of.get(name), one) for name, one in value.items()})
    if isinstance(value, Mapping):
        each = inner[1] if origin is Mapping else None
        return {key: made(each, one) for key, one in value.items()}
    if isinstance(value, list):
        return [made(inner[0] if origin is Sequence else None, one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def hints(of: type) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    # `pulumi.Input` names an output's type by a text, and a specification comes as plain data.
    known = {"Output": pulumi.Output, "T": pulumi.output.T, "ClusterSpec": Mapping[str, Any]}
    return get_type_hints(of, localns=known)


def arguments_of(component: type) -> type:
    """The dataclass of a component's arguments."""
    found: type = get_type_hints(component.__init__)["args"]  # type: ignore[misc]
    return found


def outputs_of(component: type) -> list[str]:
    """The names of what a component gives out."""
    return [name for name in component.__annotations__ if not name.startswith("_")]


class _Components(Sdk):
    def __init__(self) -> None:
        super().__init__("", None)

    def construct(
        self, name: str, resource_type: str, inputs: Any, options: pulumi.ResourceOptions | None = None
    ) -> ConstructResult:
        component = registry.component(resource_type)
        built = component(name, made(arguments_of(component), inputs), options)
        return ConstructResult(built.urn, {one: getattr(built, one) for one in outputs_of(component)})
