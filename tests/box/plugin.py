"""A stand-in for a cloud's Pulumi plugin: the protocol as our own plugin serves it, with assets and functions."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from hashistack.provider import values
from hashistack.provider.handler import Handler, Props
from hashistack.provider.process import engine_address, serve
from hashistack.provider.server import Provider

from .asset import ASSET

_MARK = "c44067f5952c0a294b673a41bacd8c17"  # the protocol's


class StandIn(Provider):
    """version: the plugin's. handler: of a type's token. answer: what the function of a token says; raises LookupError.
    configured: gets the provider's own configuration."""

    def __init__(
        self,
        version: str,
        handler: Callable[[str], Handler],
        answer: Callable[[str, Props], Props],
        configured: MutableMapping[str, Any],
    ) -> None:
        super().__init__(engine_address(), handler)
        self._version, self._answer, self._configured = version, answer, configured

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=self._version)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.GetSchemaResponse(schema="{}")

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._configured.update(values.props(request.args))
        return super().Configure(request, context)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        for value in request.news.fields.values():
            _plain_assets(value)
        return super().Check(request, context)

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            found = self._answer(request.tok, values.props(request.args))
        except Exception as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{request.tok}: {type(error).__name__}: {error}")
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(values.struct(found))
        return response

    def run(self) -> None:
        """Serves the engine whose address is the first argument."""
        serve(
            lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(self, server),
            self.cancelled.set,
            threads=64,
            grace=20.0,
        )


def _plain_assets(value: struct_pb2.Value) -> None:
    """Assets become plain objects: here nobody reads the state but this program."""
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        for item in value.list_value.values:
            _plain_assets(item)
    if kind != "struct_value":
        return
    fields = value.struct_value.fields
    if values.SIGNATURE in fields and fields[values.SIGNATURE].string_value == _MARK:
        asset = {name: fields[name].string_value for name in ("path", "text", "hash") if name in fields}
        value.struct_value.CopyFrom(values.struct({ASSET: asset}))
        return
    for item in fields.values():
        _plain_assets(item)
