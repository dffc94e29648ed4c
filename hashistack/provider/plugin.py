"""The plugin's process: prints its port for the engine and serves until the engine is done or gone."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc

from hashistack.provider import table
from hashistack.provider.handler import Handler
from hashistack.provider.server import Provider
from hashistack.provider.wire import provider_pb2_grpc

# One thread for each request under way. The engine's own limit is 4 x cores unless `--parallel` raises it.
_THREADS: Final = 256
_LARGEST_MESSAGE: Final = 400 * 1024 * 1024  # bytes, as in the engine
_ORPHAN_CHECK: Final = 1.0  # seconds
_GRACE: Final = 20.0  # seconds that running handlers get to clean up


def main(handler: Callable[[str], Handler] = table.handler) -> None:
    """Serve the engine whose address ("host:port") is the first argument; its log flags are passed over.

    handler: from a type token to its handler.
    """
    address = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    provider = Provider(address, handler)
    stop = threading.Event()
    # The engine interrupts its plugins when it has finished, and kills those that stay.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    engine = os.getppid()
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="request"),
        options=[
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
            ("grpc.max_send_message_length", _LARGEST_MESSAGE),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    # A killed engine can't stop its plugins: whoever adopts the process is then its parent.
    while not stop.wait(_ORPHAN_CHECK) and os.getppid() == engine:
        pass
    provider.cancelled.set()
    server.stop(_GRACE).wait()


if __name__ == "__main__":
    main()
