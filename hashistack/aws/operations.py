"""What the commands and the plugin ask of AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from hashistack.platforms import ArchiveStore, PlatformOperations

if TYPE_CHECKING:
    from hashistack.ops.api.connection import Connection
    from hashistack.ops.rollout.driver import PoolDriver


class AwsOperations(PlatformOperations):
    """Clusters of Auto Scaling groups."""

    extra = "aws"
    component = "hashistack:index:AwsCluster"
    functions: ClassVar[Mapping[str, str]] = {"hashistack:index:awsPreflight": "hashistack.aws.ops.preflight:answer"}
    archive_scheme = "s3://"

    def driver(self, connection: Connection) -> PoolDriver:
        from hashistack.aws.ops.driver import AwsDriver

        return AwsDriver(connection)

    def archives(self, url: str) -> ArchiveStore:
        from hashistack.aws.ops.bucket import Bucket

        return Bucket(url)
