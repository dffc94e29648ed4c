"""Has the engine start our plugin while the program still works out what it will declare.

The engine starts a provider with the first resource that needs it, and the SDK sends no resource before the
program's last line has run. A function's call is sent at once, and needs the provider too.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pulumi.runtime import settings
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc

from hashistack.provider.debugging import debug_without_waiting
from hashistack.provider.link import PluginNotLinked, link
from hashistack.version import VERSION

START: Final = "hashistack:index:start"
"""The function that does nothing but be there; the plugin imports its handlers meanwhile."""


@contextmanager
def plugin_starts() -> Iterator[None]:
    """Ask for the plugin, and let the body import what is heavy meanwhile, with Python's collector off.

    Never fails: what is wrong with the plugin is told where a resource needs it.
    """
    debug_without_waiting()
    _ask()
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


def _ask() -> None:
    monitor = settings.get_monitor()
    if not isinstance(monitor, resource_pb2_grpc.ResourceMonitorStub):
        return  # a program's test, with mocks in place of the engine
    try:
        link()
    except PluginNotLinked:
        return
    call = monitor.Invoke.future(resource_pb2.ResourceInvokeRequest(tok=START, version=VERSION))
    call.add_done_callback(lambda _: None)  # a call that nobody holds is cancelled; this one holds itself
