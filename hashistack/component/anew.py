"""The user's word that a cluster which has lost all its servers begins again, without what they kept."""

from __future__ import annotations

import os
from typing import Final

ANEW: Final = "HASHISTACK_START_ANEW"
"""The environment variable with the id of that cluster; `hashistack up --yes` sets it for the engine."""


def starts_anew(site: str) -> bool:
    """Whether the user said so of this cluster."""
    return os.environ.get(ANEW) == site
