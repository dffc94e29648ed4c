"""Modules that load when they are first used: what grpc and protobuf import, and our processes never use.

The engine waits for our processes at each `up`, and half of what `import grpc` takes is asyncio, which a threaded
server does not use.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final

UNUSED: Final = ("asyncio", "grpc.aio", "google.protobuf.internal.python_message")
"""What a threaded server of generated messages imports in vain."""


class _Later(ModuleType):
    """Stands for the module of its name, and finds what is asked of it there."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


@contextmanager
def later(names: tuple[str, ...] = UNUSED) -> Iterator[None]:
    """While entered, an import of one of these modules gives one that loads when it is used.

    Who imports it afterwards gets the real one at once, as does who imported it before.
    """
    standing = {name: _Later(name) for name in names if name not in sys.modules}
    sys.modules.update(standing)
    try:
        yield
    finally:
        for name, module in standing.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
