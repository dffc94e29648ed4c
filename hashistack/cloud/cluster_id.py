"""What a stack's cluster is called."""

from __future__ import annotations

from hashlib import sha256

import pulumi


def site(cluster: str) -> str:
    """The id of a stack's cluster: its name and four hex digits, the same on each run and known at preview."""
    place = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}/{cluster}"
    return f"{cluster}-{sha256(place.encode()).hexdigest()[:4]}"
