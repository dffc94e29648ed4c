"""Where a stack's cluster is."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_gcp import organizations

from hashistack.cloud.cluster_id import site


@dataclass(frozen=True)
class Scope:
    """Where a cluster is: the project's id, the region, and the cluster's id."""

    project: str
    region: str
    site: str


def scope(cluster: str, parent: pulumi.Resource) -> Scope:
    """Where the provider of `parent` is, as it says itself before anything is made.

    Raises:
        pulumi.RunError: it has no project or no region.
    """
    found = organizations.get_client_config(opts=pulumi.InvokeOptions(parent=parent))
    for field, value in (("project", found.project), ("region", found.region)):
        if not value:
            raise pulumi.RunError(f"gcp:{field}: is not set. Run `pulumi config set gcp:{field} <{field}>`.")
    return Scope(found.project, found.region, site(cluster))
