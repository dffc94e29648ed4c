"""The provider plugin's process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pulumi.runtime.proto import provider_pb2_grpc

from hashistack import call_log
from hashistack.provider import registry
from hashistack.provider.handler import Handler
from hashistack.provider.process import engine_address, serve
from hashistack.provider.server import Provider

# One thread for each request under way. The engine's own limit is 4 x cores unless `--parallel` raises it.
_THREADS: Final = 256
_GRACE: Final = 20.0  # seconds that running handlers get to clean up


def main(handler: Callable[[str], Handler] = registry.handler) -> None:
    """Serve the engine whose address is the first argument. handler: from a type token to its handler."""
    call_log.start()
    provider = Provider(engine_address(), handler)
    serve(
        lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server),
        provider.cancelled.set,
        threads=_THREADS,
        grace=_GRACE,
    )


if __name__ == "__main__":
    main()
