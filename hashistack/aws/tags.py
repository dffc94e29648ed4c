"""The tags of a cluster's resources: ours, by which machines and drivers find each other, and the user's."""

from __future__ import annotations

from collections.abc import Mapping

CLUSTER = "hashistack:cluster"
POOL = "hashistack:pool"
ROLE = "hashistack:role"
BUNDLE = "hashistack:bundle"
SERVERS = "hashistack:servers"
"""On servers alone, with the cluster's id: what the agents' cloud auto-join looks for."""

GROUP = "aws:autoscaling:groupName"
"""AWS's own, on each instance of an Auto Scaling group."""


def of_cluster(site: str, given: Mapping[str, str]) -> dict[str, str]:
    """The tags of everything that belongs to a cluster."""
    return {**given, CLUSTER: site}


def of_pool(site: str, pool: str, role: str, given: Mapping[str, str]) -> dict[str, str]:
    """The tags of a pool, and of its machines and their volumes."""
    servers = {SERVERS: site} if role == "server" else {}
    return {**of_cluster(site, given), POOL: pool, ROLE: role, **servers, "Name": f"{site}-{pool}"}
