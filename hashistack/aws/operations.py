"""What the commands and the plugin ask of AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from hashistack.platforms import ArchiveStore, PlatformOperations, Stack

if TYPE_CHECKING:
    from hashistack.component.findings import Finding
    from hashistack.component.trial import Trial
    from hashistack.ops.api.connection import Connection
    from hashistack.ops.api.port_forward import Forwarder
    from hashistack.ops.cost.estimate import Bill
    from hashistack.ops.rollout.driver import PoolDriver
    from hashistack.spec import ClusterSpec


class AwsOperations(PlatformOperations):
    """Clusters of Auto Scaling groups."""

    extra = "aws"
    component = "hashistack:index:AwsCluster"
    component_class = "hashistack.aws.cluster:AwsCluster"
    handlers: ClassVar[Mapping[str, str]] = {
        "hashistack:index:AwsInService": "hashistack.aws.ops.in_service:InServiceHandler"
    }
    functions: ClassVar[Mapping[str, str]] = {"hashistack:index:awsPreflight": "hashistack.aws.ops.preflight:answer"}
    archive_scheme = "s3://"

    def driver(self, connection: Connection) -> PoolDriver:
        from hashistack.aws.ops.driver import AwsDriver

        return AwsDriver(connection)

    def reach(self, connection: Connection) -> Mapping[str, Mapping[str, str]]:
        from hashistack.aws.ops.driver import AwsDriver

        return AwsDriver(connection).reach()

    def forwarder(self, connection: Connection) -> Forwarder:
        from hashistack.aws.ops.forwarding import SessionManager

        return SessionManager(connection)

    def left(self, stack: Stack) -> Sequence[str]:
        from hashistack.aws.ops.leftovers import left

        return [text for cluster in _ours(stack) for text in left(cluster)]

    def proof(self, stack: Stack) -> str:
        return "no instance or volume of it is left" if _ours(stack) else super().proof(stack)

    def account(self, connection: Connection) -> Sequence[Finding]:
        from hashistack.aws.ops.account_checks import look

        return look(connection)

    def trial(self, run: str, settings: Mapping[str, Any]) -> Trial:
        from hashistack.aws.smoke.trial import AwsTrial

        return AwsTrial(run, settings)

    def bill(self, spec: ClusterSpec) -> Bill:
        from hashistack.aws.pools.machine_types import REFERENCE
        from hashistack.cloud.bill import pools
        from hashistack.ops.cost.estimate import Bill

        besides = ("NAT gateways", "the load balancer", "volumes beside the root one", "KMS, S3 and logs", "traffic")
        return Bill(pools(spec, REFERENCE, lambda machine_type: "gp3"), besides, "https://aws.amazon.com/ec2/pricing/")

    def archives(self, url: str) -> ArchiveStore:
        from hashistack.aws.ops.bucket import Bucket

        return Bucket(url)


def _ours(stack: Stack) -> list[Connection]:
    return [cluster for cluster in stack.clusters if cluster.provider == "aws"]
