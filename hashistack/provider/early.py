"""Has the engine start our plugin while the program still works out what it will declare."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from pulumi.runtime import settings
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc

from hashistack.provider.debugging import debug_without_waiting
from hashistack.provider.start import ask


@contextmanager
def plugin_starts() -> Iterator[None]:
    """Ask for the plugin, and let the body import what is heavy meanwhile, with Python's collector off.

    Never fails: what is wrong with the plugin is told where a resource needs it.
    """
    debug_without_waiting()
    monitor = settings.get_monitor()
    if isinstance(monitor, resource_pb2_grpc.ResourceMonitorStub):  # a program's test has mocks in its place
        ask(monitor, resource_pb2)
    collects = gc.isenabled()
    gc.disable()  # what is imported stays, and looking through it again and again takes a fifth of the time
    try:
        yield
    finally:
        # To the oldest generation as it is, and so that a later collection of all can still look through it.
        gc.freeze()
        gc.unfreeze()
        if collects:
            gc.enable()
