"""The provider protocol served over the table of handlers: one method for each request of the engine.

It stands on the SDK's generated stubs rather than on `pulumi.provider.experimental`: that layer can't carry
an unknown value or a partial failure, and prints a traceback for each error.
The server is grpc's threaded one, so each request has a thread of its own and a handler may simply block.
"""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn, TypeVar

import grpc
from google.protobuf import any_pb2, empty_pb2, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

from hashistack import call_log
from hashistack.errors import expected
from hashistack.provider import registry, values
from hashistack.provider.component_types import SCHEMA
from hashistack.provider.handler import Context, Diff, Handler, Props, ResourceFailed
from hashistack.version import VERSION

T = TypeVar("T")

_SEVERITIES: Final = {
    "debug": engine_pb2.DEBUG,
    "progress": engine_pb2.INFO,
    "info": engine_pb2.INFO,
    "warning": engine_pb2.WARNING,
}


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Serves the engine at `engine_address` ("host:port"; None until the engine attaches)."""

    def __init__(self, engine_address: str | None, handler: Callable[[str], Handler]) -> None:
        self._handler = handler
        self._engine_address = engine_address
        self._engine: engine_pb2_grpc.EngineStub | None = None
        self.cancelled = threading.Event()

    # The plugin itself.

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=False, accept_outputs=False)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._engine_address, self._engine = request.address, None
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
        return provider_pb2.GetSchemaResponse(schema=json.dumps({**schema, "version": VERSION}))

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        ctx = Context(cancelled=self.cancelled, log=lambda severity, text: self._log("", severity, text))
        try:
            with call_log.call("plugin", f"Invoke {request.tok}"):
                found = registry.function(request.tok)(ctx, values.props(request.args))
        except Exception as error:
            if told := expected(error):
                _abort(context, str(told))
            self._log("", "debug", traceback.format_exc())
            _abort(context, f"{type(error).__name__}: {error} (a bug in hashistack: `pulumi up --debug` shows where)")
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(values.struct(found))
        return response

    def Construct(self, request: Any, context: grpc.ServicerContext) -> Any:
        # The SDK's side of it is wanted by programs in other languages alone.
        from hashistack.provider.construct import construct

        try:
            with call_log.call("plugin", f"Construct {request.type} {request.name}"):
                return construct(request, self._engine_address or "")
        except Exception as error:
            _abort(context, str(error))  # of a bug the SDK's text has the trace

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.cancelled.set()
        return empty_pb2.Empty()

    # Resources.

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        failures = self._call(request, context, lambda h, ctx: h.check(values.props(request.news)))
        return provider_pb2.CheckResponse(
            inputs=request.news,
            failures=[provider_pb2.CheckFailure(property=bad.path, reason=bad.reason) for bad in failures],
        )

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        olds, news = values.props(request.olds), _news(request)
        diff = self._call(request, context, lambda h, ctx: h.diff(ctx, request.id, olds, news))
        return _diff_response(diff, olds, news)

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        news = values.props(request.properties)

        def create(handler: Handler, ctx: Context) -> tuple[str, Any]:
            if ctx.preview:
                id, made = "", handler.preview(ctx, None, news)
            else:
                id, made = handler.create(ctx, news)
            return id, _state(handler, {**news, **made}, request.properties)

        id, properties = self._call(request, context, create, request.properties)
        return provider_pb2.CreateResponse(id=id, properties=properties)

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        olds, news = values.props(request.olds), _news(request)

        def update(handler: Handler, ctx: Context) -> Any:
            known = handler.preview(ctx, olds, news) if ctx.preview else None
            made = handler.update(ctx, request.id, olds, news) if known is None else known
            return _state(handler, {**news, **made}, request.news)

        properties = self._call(request, context, update, request.news)
        return provider_pb2.UpdateResponse(properties=properties)

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        def read(handler: Handler, ctx: Context) -> tuple[str, Any]:
            found = handler.read(ctx, request.id, values.props(request.properties))
            if found is None:
                return "", None
            return found[0], _state(handler, found[1], request.properties, request.inputs)

        id, properties = self._call(request, context, read)
        if properties is None:  # an empty id tells the engine that the resource is gone
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=id, properties=properties, inputs=request.inputs)

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        olds = values.props(request.properties)
        self._call(request, context, lambda h, ctx: h.delete(ctx, request.id, olds))
        return empty_pb2.Empty()

    # What each request goes through.

    def _call(
        self,
        request: Any,
        context: grpc.ServicerContext,
        work: Callable[[Handler, Context], T],
        inputs: struct_pb2.Struct | None = None,
    ) -> T:
        """Run `work` with the request's handler; a failure ends the request with one clear text.

        inputs: for create and update, what a resource that exists in part is recorded with.
        """
        ctx = Context(
            urn=request.urn,
            preview=getattr(request, "preview", False),
            timeout=getattr(request, "timeout", 0.0),
            cancelled=self.cancelled,
            log=lambda severity, text: self._log(request.urn, severity, text),
        )
        partial: struct_pb2.Struct | None = None
        handler: Handler | None = None
        try:
            handler = self._handler(request.urn.split("::")[2].rpartition("$")[2])
            try:
                with call_log.call("plugin", f"{type(request).__name__.removesuffix('Request')} {request.urn}"):
                    return work(handler, ctx)
            except ResourceFailed as failed:
                if failed.id is not None and inputs is not None:
                    partial = _state(handler, {**values.props(inputs), **failed.props}, inputs)
                raise
        except ResourceFailed as failed:
            _abort(context, str(failed), failed.id, partial)
        except Exception as error:
            if told := expected(error) if handler is None else handler.failure(error):
                _abort(context, str(told))
            self._log(request.urn, "debug", traceback.format_exc())
            where = "a bug in hashistack: `pulumi up --debug` shows where"
            _abort(context, f"{type(error).__name__}: {error} ({where})")

    def _log(self, urn: str, severity: str, text: str) -> None:
        if not self._engine_address:
            return
        # Made here: an `up` that changes nothing says nothing.
        self._engine = self._engine or engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._engine_address))
        line = engine_pb2.LogRequest(
            severity=_SEVERITIES[severity], message=text, urn=urn, ephemeral=severity == "progress"
        )
        # The engine may be gone or busy: a lost line must not fail the work that it tells about.
        with suppress(grpc.RpcError):
            self._engine.Log(line, timeout=5)


def _news(request: Any) -> Props:
    """The new inputs; one that was given before and isn't any more is None, so that the change is seen."""
    return {**dict.fromkeys(request.old_inputs.fields), **values.props(request.news)}


def _state(handler: Handler, state: Props, *sources: struct_pb2.Struct) -> struct_pb2.Struct:
    """The state to record.

    Secret are the handler's own secrets, what came as a secret in `sources`, and an output that repeats such a
    value under another name.
    """
    secret = handler.secret | values.secret_names(*sources)
    telling = {name: value for name, value in state.items() if isinstance(value, str | list | dict) and value}
    told = [value for name, value in telling.items() if name in secret]
    repeated = {name for name, value in telling.items() if value in told}
    return values.struct(state, secret=secret | repeated)


def _diff_response(diff: Diff, olds: Props, news: Props) -> Any:
    kinds = provider_pb2.PropertyDiff
    detailed = {}
    for name in dict.fromkeys((*diff.replace, *diff.update)):
        action = "UPDATE" if name in olds else "ADD"
        kind = f"{action}_REPLACE" if name in diff.replace else action
        detailed[name] = kinds(kind=kinds.Kind.Value(kind), inputDiff=name in news)
    response = provider_pb2.DiffResponse
    return response(
        changes=response.DIFF_SOME if detailed else response.DIFF_NONE,
        replaces=list(diff.replace),
        diffs=list(detailed),
        detailedDiff=detailed,
        hasDetailedDiff=True,
        deleteBeforeReplace=diff.delete_before_replace,
    )


class _Failed(grpc.Status):
    def __init__(self, message: str, details: status_pb2.Status | None) -> None:
        # A code that says "the state is known": with INTERNAL or UNKNOWN the engine would leave a pending
        # operation behind and ask the user to edit the state by hand.
        self.code = grpc.StatusCode.FAILED_PRECONDITION
        self.details = message
        packed = () if details is None else (("grpc-status-details-bin", details.SerializeToString()),)
        self.trailing_metadata = packed


def _abort(
    context: grpc.ServicerContext, message: str, id: str | None = None, state: struct_pb2.Struct | None = None
) -> NoReturn:
    details = None
    if id is not None and state is not None:
        partial = provider_pb2.ErrorResourceInitFailed(id=id, properties=state, reasons=[message])
        detail = any_pb2.Any()
        detail.Pack(partial)
        code = grpc.StatusCode.FAILED_PRECONDITION.value[0]
        details = status_pb2.Status(code=code, message=message, details=[detail])
    context.abort_with_status(_Failed(message, details))
    raise AssertionError("abort_with_status always raises")
