"""Type token -> handler. Dotted names, so that a type's module is imported only when it is used."""

from __future__ import annotations

import importlib
from functools import cache
from threading import Lock
from typing import Final

from hashistack.provider.handler import Handler, ResourceFailed
from hashistack.version import VERSION

HANDLERS: Final[dict[str, str]] = {
    "hashistack:index:ClusterSecrets": "hashistack.secrets.handler:ClusterSecretsHandler",
    "hashistack:index:LocalApi": "hashistack.local.handlers.api:ApiHandler",
    "hashistack:index:LocalArtifacts": "hashistack.toolchain.handler:ToolsHandler",
    "hashistack:index:LocalClientPool": "hashistack.local.handlers.pool:PoolHandler",
    "hashistack:index:LocalImage": "hashistack.local.handlers.image:ImageHandler",
    "hashistack:index:LocalNetwork": "hashistack.local.handlers.network:NetworkHandler",
    "hashistack:index:LocalReady": "hashistack.local.handlers.ready:ReadyHandler",
    "hashistack:index:LocalServerPool": "hashistack.local.handlers.pool:PoolHandler",
    "hashistack:index:LocalSite": "hashistack.local.handlers.cluster_id:SiteHandler",
    "hashistack:index:NomadJob": "hashistack.jobs.handler:JobHandler",
    "hashistack:index:Specification": "hashistack.component.specification:SpecificationHandler",
    "hashistack:index:Tools": "hashistack.toolchain.handler:ToolsHandler",
}


# One import at a time: two threads that first need one package in two places get it half made.
_importing = Lock()


@cache
def handler(token: str) -> Handler:
    """The one handler of a type token; raises `ResourceFailed` for a token that this version doesn't have."""
    try:
        module, _, name = HANDLERS[token].partition(":")
    except KeyError:
        raise ResourceFailed(
            f"hashistack {VERSION} has no resource type {token}: install the version that made the stack"
        ) from None
    with _importing:
        made: Handler = getattr(importlib.import_module(module), name)()
    return made
