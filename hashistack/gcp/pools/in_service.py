"""GcpInService: a pool is made only when its machines are in service."""

from __future__ import annotations

import pulumi
from pulumi_gcp import compute

from hashistack.provider.resource import HashistackResource


class GcpInService(HashistackResource):
    """Waits, when the group is new, until as many machines as it wants have said that they are well."""

    resource_type = "hashistack:index:GcpInService"

    def __init__(
        self, name: str, group: compute.RegionInstanceGroupManager, site: str, parent: pulumi.Resource | None
    ) -> None:
        inputs = {"group": group.name, "project": group.project, "region": group.region, "site": site}
        super().__init__(name, inputs, pulumi.ResourceOptions(parent=parent, depends_on=[group]))
