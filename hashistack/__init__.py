"""Reference Nomad, Consul and Vault clusters, as Pulumi components.

Importing this loads nothing else: each name is imported from its module when it is first used, so that a
program pays only for the providers that it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashistack.lazy import lazily

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


__getattr__, __dir__ = lazily(globals(), _MODULES)
