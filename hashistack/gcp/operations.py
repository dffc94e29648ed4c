"""What the commands and the plugin ask of Google Cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from hashistack.platforms import ArchiveStore, PlatformOperations, Stack

if TYPE_CHECKING:
    from hashistack.ops.api.connection import Connection
    from hashistack.ops.api.port_forward import Forwarder
    from hashistack.ops.cost.estimate import Bill
    from hashistack.ops.rollout.driver import PoolDriver
    from hashistack.spec import ClusterSpec


class GcpOperations(PlatformOperations):
    """Clusters of managed instance groups."""

    extra = "gcp"
    component = "hashistack:index:GcpCluster"
    component_class = "hashistack.gcp.cluster:GcpCluster"
    handlers: ClassVar[Mapping[str, str]] = {
        "hashistack:index:GcpInService": "hashistack.gcp.ops.in_service:InServiceHandler"
    }
    functions: ClassVar[Mapping[str, str]] = {"hashistack:index:gcpPreflight": "hashistack.gcp.ops.preflight:answer"}
    archive_scheme = "gs://"

    def driver(self, connection: Connection) -> PoolDriver:
        from hashistack.gcp.ops.driver import GcpDriver

        return GcpDriver(connection)

    def forwarder(self, connection: Connection) -> Forwarder:
        from hashistack.gcp.ops.forwarding import IapTunnels

        return IapTunnels(connection)

    def left(self, stack: Stack) -> Sequence[str]:
        from hashistack.gcp.ops.leftovers import left

        return [text for cluster in _ours(stack) for text in left(cluster)]

    def proof(self, stack: Stack) -> str:
        return "no instance or disk of it is left" if _ours(stack) else super().proof(stack)

    def bill(self, spec: ClusterSpec) -> Bill:
        from hashistack.cloud.bill import pools
        from hashistack.gcp.pools.machine_types import REFERENCE, disk_type
        from hashistack.ops.cost.estimate import Bill

        besides = ("Cloud NAT", "the load balancer", "disks beside the boot one", "KMS, storage and logs", "traffic")
        return Bill(pools(spec, REFERENCE, disk_type), besides, "https://cloud.google.com/products/compute/pricing")

    def archives(self, url: str) -> ArchiveStore:
        from hashistack.gcp.ops.bucket import Bucket

        return Bucket(url)


def _ours(stack: Stack) -> list[Connection]:
    return [cluster for cluster in stack.clusters if cluster.provider == "gcp"]
