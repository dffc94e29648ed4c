"""The life of a plugin's process: prints its port for the engine and serves until the engine is done or gone."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NoReturn

import grpc

_LARGEST_MESSAGE: Final = 400 * 1024 * 1024  # bytes, as in the engine
_ORPHAN_CHECK: Final = 1.0  # seconds


def engine_address() -> str | None:
    """The engine's address ("host:port"), a plugin's first argument; the log flags beside it are passed over."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), None)


def serve(
    register: Callable[[grpc.Server], object], ended: Callable[[], object], *, threads: int, grace: float = 0.0
) -> NoReturn:
    """Serve what `register` adds to the server; `ended` is called when the engine needs it no more. Ends the process.

    threads: how many requests at once. grace: seconds that running requests get after `ended`.
    """
    stop = threading.Event()
    # The engine interrupts its plugins when it has finished, and kills those that stay.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    engine = os.getppid()
    requests = ThreadPoolExecutor(threads, thread_name_prefix="request")
    server = grpc.server(
        requests,
        options=[
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
            ("grpc.max_send_message_length", _LARGEST_MESSAGE),
        ],
    )
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    # A killed engine can't stop its plugins: whoever adopts the process is then its parent.
    while not stop.wait(_ORPHAN_CHECK) and os.getppid() == engine:
        pass
    ended()
    server.stop(grace).wait()
    requests.shutdown()  # a handler that outlasts its grace still ends by itself
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # the engine waits for this process, and taking an interpreter with grpc down takes 50 ms
