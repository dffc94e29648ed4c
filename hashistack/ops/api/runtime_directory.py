"""A cluster's private directory on this machine: certificates for the vendor's commands, and where its tunnel is."""

from __future__ import annotations

import os
from pathlib import Path

from hashistack.errors import HashistackError
from hashistack.home import home


def directory(cluster: str) -> Path:
    """The cluster's private directory (0700): in $XDG_RUNTIME_DIR, else in ~/.local/state."""
    place = _roots()[0] / cluster
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)
    return place


def kept(cluster: str) -> list[Path]:
    """The private directories that there are of a cluster."""
    return [place for root in _roots() if (place := root / cluster).exists()]


def _roots() -> list[Path]:
    """Where clusters have their directories: the first is the one to use, in any of them an earlier shell may have."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    first = [Path(runtime, "hashistack")] if runtime and Path(runtime).is_dir() else []
    try:
        return [*first, home() / ".local/state/hashistack"]
    except HashistackError:
        if first:
            return first
        raise
