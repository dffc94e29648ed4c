"""Token -> handler, or function. Dotted names, so that a module is imported only when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any, Final

from hashistack.platforms import every
from hashistack.provider.handler import Context, Handler, Props, ResourceFailed
from hashistack.version import VERSION

SHARED: Final[dict[str, str]] = {
    "hashistack:index:ClusterSecrets": "hashistack.secrets.handler:ClusterSecretsHandler",
    "hashistack:index:NomadJob": "hashistack.jobs.handler:JobHandler",
    "hashistack:index:Specification": "hashistack.component.specification:SpecificationHandler",
    "hashistack:index:Tools": "hashistack.toolchain.handler:ToolsHandler",
}
"""The resources of every platform; each has its own beside them."""

SHARED_FUNCTIONS: Final[dict[str, str]] = {
    "hashistack:index:preflight": "hashistack.component.looks:answer",
}
"""The functions of every platform."""


def handlers() -> dict[str, str]:
    """Type tokens of all resources to the dotted names of their handlers."""
    return {**SHARED, **{token: name for platform in every() for token, name in platform.handlers.items()}}


def functions() -> dict[str, str]:
    """Tokens of all functions to the dotted names of what answers them."""
    return {**SHARED_FUNCTIONS, **{token: name for platform in every() for token, name in platform.functions.items()}}


# One import at a time: two threads that first need one package in two places get it half made.
_importing = Lock()


@cache
def handler(token: str) -> Handler:
    """The one handler of a type token; raises `ResourceFailed` for a token that this version doesn't have."""
    if not (dotted := handlers().get(token)):
        raise ResourceFailed(
            f"hashistack {VERSION} has no resource type {token}: install the version that made the stack"
        )
    made: Handler = _named(dotted)()
    return made


def function(token: str) -> Callable[[Context, Props], Props]:
    """What answers a function's token; raises `ResourceFailed` for a token that this version doesn't have."""
    if not (dotted := functions().get(token)):
        raise ResourceFailed(f"hashistack {VERSION} has no function {token}: install the version that asks for it")
    found: Callable[[Context, Props], Props] = _named(dotted)
    return found


def components() -> dict[str, str]:
    """Type tokens of the platforms' clusters to the dotted names of their classes."""
    return {platform.component: platform.component_class for platform in every() if platform.component_class}


def component(token: str) -> type:
    """The class of a component; raises `ResourceFailed` for a token that this version doesn't have."""
    if not (dotted := components().get(token)):
        raise ResourceFailed(f"hashistack {VERSION} has no component {token}, only {', '.join(components())}")
    found: type = _named(dotted)
    return found


def _named(dotted: str) -> Any:
    module, _, name = dotted.partition(":")
    with _importing:
        return getattr(importlib.import_module(module), name)
