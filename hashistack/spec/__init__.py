"""What a cluster is: frozen, strict, plain values. Nothing here knows a cloud, Pulumi, or does any I/O."""

from hashistack.spec.acl import Acl
from hashistack.spec.cluster import ClusterSpec
from hashistack.spec.dns import Dns
from hashistack.spec.network import Network, Peer, Subnet
from hashistack.spec.policy import UpgradePolicy
from hashistack.spec.pool import ClientPool, HostVolume, Published, ServerPool
from hashistack.spec.problems import Problem, SpecError
from hashistack.spec.release_warnings import warnings
from hashistack.spec.seal import Seal
from hashistack.spec.snapshots import Snapshots
from hashistack.spec.tls import Tls
from hashistack.spec.versions import Pin, Versions

__all__ = [
    "Acl",
    "ClientPool",
    "ClusterSpec",
    "Dns",
    "HostVolume",
    "Network",
    "Peer",
    "Pin",
    "Problem",
    "Published",
    "Seal",
    "ServerPool",
    "Snapshots",
    "SpecError",
    "Subnet",
    "Tls",
    "UpgradePolicy",
    "Versions",
    "warnings",
]
