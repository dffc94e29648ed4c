"""For our tests, and those of stacks that use this package: `record` runs a program without an engine.

Beside it, `pytest_plugin` gives tests a cluster. Each name is imported when it is first used: pytest loads that plugin
in every run, and it loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashistack.lazy import lazily

if TYPE_CHECKING:
    from hashistack.testing.aws import Aws
    from hashistack.testing.gcp import Gcp
    from hashistack.testing.namespace import Namespace
    from hashistack.testing.recording import Call, Cloud, Recording, Registered, record
    from hashistack.testing.running_cluster import RunningCluster

_MODULES = {
    "Aws": "hashistack.testing.aws",
    "Call": "hashistack.testing.recording",
    "Cloud": "hashistack.testing.recording",
    "Gcp": "hashistack.testing.gcp",
    "Namespace": "hashistack.testing.namespace",
    "Recording": "hashistack.testing.recording",
    "Registered": "hashistack.testing.recording",
    "RunningCluster": "hashistack.testing.running_cluster",
    "record": "hashistack.testing.recording",
}

__all__ = ["Aws", "Call", "Cloud", "Gcp", "Namespace", "Recording", "Registered", "RunningCluster", "record"]

__getattr__, __dir__ = lazily(globals(), _MODULES)
