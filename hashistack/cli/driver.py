"""Which platform a cluster's machines are on, and so who works its pools."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from hashistack.cli.errors import Refusal
from hashistack.ops.api.connection import Connection
from hashistack.ops.rollout.driver import PoolDriver

DRIVERS: Mapping[str, tuple[str, str]] = {
    "aws": ("hashistack.aws.ops.driver", "AwsDriver"),
    "local": ("hashistack.local.driver", "LocalDriver"),
}
"""Module and class by provider: a platform's SDK is imported for its own clusters alone."""


def driver(connection: Connection) -> PoolDriver:
    """The driver of the cluster's provider. Raises Refusal where this release has none, or its SDK is missing."""
    provider = connection.provider
    if provider not in DRIVERS:
        raise Refusal(f"this release of hashistack can't change machines on {provider}")
    module, name = DRIVERS[provider]
    try:
        made: PoolDriver = getattr(import_module(module), name)(connection)
    except ModuleNotFoundError as missing:
        raise without(provider, missing) from None
    return made


def without(provider: str, missing: ModuleNotFoundError) -> Refusal:
    """What to do about a platform's SDK that is not installed; an error of our own is raised as it is."""
    if (missing.name or "").partition(".")[0] == "hashistack":
        raise missing
    return Refusal(f"{missing.name} is not installed", f"pip install 'hashistack[cli,{provider}]'")
