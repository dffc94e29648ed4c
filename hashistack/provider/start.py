"""How the engine is asked to start our plugin, before a resource needs it: by a function's call.

The engine starts a provider with the first resource that needs it, and the SDK sends no resource before the
program's last line has run. A function's call is sent at once, and needs the provider too.
"""

from __future__ import annotations

from typing import Any, Final

from hashistack.provider.link import PluginNotLinked, link
from hashistack.version import VERSION

START: Final = "hashistack:index:start"
"""The function that does nothing but be there; the plugin imports its handlers meanwhile."""


def ask(monitor: Any, messages: Any) -> None:
    """Ask by the stub of the engine's resource monitor, and wait for nothing. messages: the module ``resource_pb2``.

    Never fails: what is wrong with the plugin is told where a resource needs it.
    """
    try:
        link()
    except PluginNotLinked:
        return
    call = monitor.Invoke.future(messages.ResourceInvokeRequest(tok=START, version=VERSION))
    call.add_done_callback(lambda _: None)  # a call that nobody holds is cancelled; this one holds itself
