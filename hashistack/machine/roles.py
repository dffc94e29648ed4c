"""The role of a machine decides what runs on it. A module of its own: whoever only declares pools renders nothing."""

from typing import Literal

SERVER = "server"
"""The server pool's name, and its role. All other pools are of clients."""


def tools(pool: str) -> tuple[Literal["cni", "consul", "nomad", "vault"], ...]:
    """The binaries that the machines of a pool need."""
    return ("consul", "nomad", "vault") if pool == SERVER else ("cni", "consul", "nomad")
