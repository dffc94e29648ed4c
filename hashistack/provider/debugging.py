"""The SDK's debugging lines, sent without waiting for the engine to take each.

The SDK tells the engine five lines for each resource, which `pulumi up --debug` shows, and its event loop stands
still for each: half of the time that it takes to register resources that have not changed.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime import settings
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc


class _Log:
    def __init__(self, log: Any) -> None:
        self._log = log

    def __call__(self, request: Any, *args: Any, **options: Any) -> Any:
        if request.severity != engine_pb2.DEBUG:
            return self._log(request, *args, **options)
        # A call that nobody holds is cancelled; this one holds itself.
        self._log.future(request, *args, **options).add_done_callback(lambda _: None)
        return empty_pb2.Empty()


def debug_without_waiting() -> None:
    """From now on, only lines that are more than debugging wait until the engine has them."""
    engine = settings.get_engine()
    if isinstance(engine, engine_pb2_grpc.EngineStub) and not isinstance(engine.Log, _Log):
        engine.Log = _Log(engine.Log)  # type: ignore[assignment]
