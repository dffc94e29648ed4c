"""The role of a machine decides what runs on it. A module of its own: whoever only declares pools renders nothing."""

from typing import Literal, get_args

SERVER = "server"
"""The server pool's name, and its role. All other pools are of clients."""


Tool = Literal["cni", "consul", "nomad", "vault"]
TOOLS: tuple[Tool, ...] = get_args(Tool)
"""The binaries that machines run; pulumi runs on none."""


def tools(pool: str) -> tuple[Tool, ...]:
    """The binaries that the machines of a pool need."""
    return ("consul", "nomad", "vault") if pool == SERVER else ("cni", "consul", "nomad")
