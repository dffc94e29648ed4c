"""Docker labels: the only state that local clusters have. Whatever carries a site's label belongs to it."""

from __future__ import annotations

SITE = "hashistack.cluster"
"""The site's id, on every container, network and volume of a cluster."""
NAME = "hashistack.name"
PROJECT = "hashistack.project"
STACK = "hashistack.stack"
CREATED = "hashistack.created"
POOL = "hashistack.pool"
ROLE = "hashistack.role"
BUNDLE = "hashistack.bundle"
SECRETS = "hashistack.secrets"
SLOT = "hashistack.slot"


def of(site: str) -> dict[str, list[str]]:
    """A Docker filter for everything that belongs to ``site``."""
    return {"label": [f"{SITE}={site}"]}
