"""Who votes: the one thing that Nomad, Consul and Vault tell in the same shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """One server in a product's Raft configuration."""

    name: str
    voter: bool
    leader: bool
    id: str = ""
    """What the product's own API calls it."""


@dataclass(frozen=True)
class Raft:
    """A product's Raft configuration and whether its autopilot calls every server healthy."""

    peers: tuple[Peer, ...]
    unhealthy: tuple[str, ...] = ()

    @property
    def voters(self) -> int:
        return sum(peer.voter for peer in self.peers)

    @property
    def leader(self) -> str:
        """The leader's name, or "" while there is none."""
        return next((peer.name for peer in self.peers if peer.leader), "")

    def is_healthy_voter(self, name: str) -> bool:
        """The machine of this name votes, and nobody calls it unhealthy."""
        return name not in self.unhealthy and any(peer.voter and peer.name == name for peer in self.peers)

    @property
    def can_lose(self) -> int:
        """How many more servers may fail with the quorum kept."""
        return (self.voters - 1) // 2 - len(self.unhealthy)

    def has_quorum(self, servers: int) -> bool:
        """All `servers` vote, have a leader, and are healthy. A roll that is under way has one more."""
        return self.voters >= servers and bool(self.leader) and not self.unhealthy

    @property
    def steps(self) -> int:
        """How far the servers are on the way to agreeing: more is nearer."""
        return 2 * len(self.peers) + self.voters + bool(self.leader) - len(self.unhealthy)

    def describe(self, servers: int) -> str:
        """What is seen now, e.g. `2/3 voters, leader server-1, unhealthy: server-3`."""
        parts = [f"{self.voters}/{servers} voters", f"leader {self.leader}" if self.leader else "no leader"]
        return ", ".join(parts + ([f"unhealthy: {names(self.unhealthy)}"] if self.unhealthy else []))


def names(items: Sequence[str], most: int = 5) -> str:
    """`a, b, c`, cut after `most` with the number left out."""
    shown = ", ".join(sorted(items)[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
