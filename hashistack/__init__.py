"""Reference Nomad, Consul and Vault clusters, as Pulumi components.

Importing this loads nothing else: each name is imported from its module when it is first used, so that a
program pays only for the providers that it names.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hashistack.aws.args import AwsClusterArgs
    from hashistack.aws.cluster import AwsCluster
    from hashistack.aws.pools.client_pool import AwsPoolOptions
    from hashistack.gcp.args import GcpClusterArgs
    from hashistack.gcp.cluster import GcpCluster
    from hashistack.gcp.pools.client_pool import GcpPoolOptions
    from hashistack.jobs.resource import NomadJob
    from hashistack.local.cluster import LocalCluster, LocalClusterArgs
    from hashistack.spec.acl import Acl
    from hashistack.spec.cluster import ClusterSpec
    from hashistack.spec.dns import Dns
    from hashistack.spec.network import Network
    from hashistack.spec.policy import UpgradePolicy
    from hashistack.spec.pool import ClientPool, ServerPool
    from hashistack.spec.problems import Problem, SpecError
    from hashistack.spec.seal import Seal
    from hashistack.spec.snapshots import Snapshots
    from hashistack.spec.tls import Tls
    from hashistack.spec.versions import Versions
    from hashistack.version import VERSION

_MODULES = {
    "Acl": "hashistack.spec.acl",
    "AwsCluster": "hashistack.aws.cluster",
    "AwsClusterArgs": "hashistack.aws.args",
    "AwsPoolOptions": "hashistack.aws.pools.client_pool",
    "ClientPool": "hashistack.spec.pool",
    "ClusterSpec": "hashistack.spec.cluster",
    "Dns": "hashistack.spec.dns",
    "GcpCluster": "hashistack.gcp.cluster",
    "GcpClusterArgs": "hashistack.gcp.args",
    "GcpPoolOptions": "hashistack.gcp.pools.client_pool",
    "LocalCluster": "hashistack.local.cluster",
    "LocalClusterArgs": "hashistack.local.cluster",
    "Network": "hashistack.spec.network",
    "NomadJob": "hashistack.jobs.resource",
    "Problem": "hashistack.spec.problems",
    "Seal": "hashistack.spec.seal",
    "ServerPool": "hashistack.spec.pool",
    "Snapshots": "hashistack.spec.snapshots",
    "SpecError": "hashistack.spec.problems",
    "Tls": "hashistack.spec.tls",
    "UpgradePolicy": "hashistack.spec.policy",
    "VERSION": "hashistack.version",
    "Versions": "hashistack.spec.versions",
}

__all__ = [
    "VERSION",
    "Acl",
    "AwsCluster",
    "AwsClusterArgs",
    "AwsPoolOptions",
    "ClientPool",
    "ClusterSpec",
    "Dns",
    "GcpCluster",
    "GcpClusterArgs",
    "GcpPoolOptions",
    "LocalCluster",
    "LocalClusterArgs",
    "Network",
    "NomadJob",
    "Problem",
    "Seal",
    "ServerPool",
    "Snapshots",
    "SpecError",
    "Tls",
    "UpgradePolicy",
    "Versions",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value  # found at once the next time
    return value


def __dir__() -> list[str]:
    return __all__
