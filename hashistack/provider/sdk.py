"""The SDK's generated messages and stubs without the SDK.

`import pulumi` takes three times as long as all that our processes need of it together, and the engine
waits for them at each `up`. The generated modules need none of the SDK, so its package initialisers can be
passed over while they load. Who imports pulumi later gets the whole, real SDK and the same message classes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType

_PACKAGES = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")


@contextmanager
def generated_alone() -> Iterator[None]:
    """While entered, `from pulumi.runtime.proto import x_pb2` runs no initialiser of a package."""
    found = PathFinder.find_spec("pulumi")
    if found is None or not found.submodule_search_locations:
        raise ImportError("the Pulumi SDK is not installed: pip install pulumi", name="pulumi")
    root = found.submodule_search_locations[0]
    bare = [name for name in _PACKAGES if name not in sys.modules]
    for name in bare:
        package = ModuleType(name)
        package.__path__ = ["/".join((root, *name.split(".")[1:]))]
        sys.modules[name] = package
    try:
        yield
    finally:
        for name in bare:
            del sys.modules[name]
