"""Docker labels: the only state that local clusters have. Whatever carries a site's label belongs to it."""

from __future__ import annotations

import re

SITE = "hashistack.cluster"
"""The site's id, on every container, network and volume of a cluster."""
NAME = "hashistack.name"
PROJECT = "hashistack.project"
STACK = "hashistack.stack"
CREATED = "hashistack.created"
EXPIRES = "hashistack.expires"
"""When `hashistack gc` may remove the cluster, ISO 8601 in UTC; not there on one that stays."""
OWNER = "hashistack.owner"
RUN = "hashistack.run"
"""The run of a CI that made it."""
TENURE = (EXPIRES, OWNER, RUN)
POOL = "hashistack.pool"
ROLE = "hashistack.role"
"""`server` or `client` on machines, which have a pool too; `api`, `dns` and `ports` on the containers beside them."""
BUNDLE = "hashistack.bundle"
SLOT = "hashistack.slot"
MACHINE = "hashistack.machine"
ADDRESS = "hashistack.address"
"""On a machine: its address in the cluster's network, for as long as it exists."""
PORT_BASE = "hashistack.port_base"
"""On a network and its machines: the first of the cluster's ports on loopback."""
PUBLISHED = "hashistack.published"
"""On the container that leads to pools' ports: the ports of loopback that are its own, separated by commas."""

DOMAIN = "hashistack.internal"
"""The Docker network's own names live here; unbound sends the zone to Docker's resolver."""


def of(site: str) -> dict[str, list[str]]:
    """A Docker filter for everything that belongs to ``site``."""
    return {"label": [f"{SITE}={site}"]}


def is_site(text: str) -> bool:
    """Whether a label's text can be a site's id (`LocalSite` makes them), and no path or pattern of somebody's."""
    return re.fullmatch(r"[a-z][a-z0-9-]*-[0-9a-f]{4}", text) is not None
