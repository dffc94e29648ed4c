"""How the machines of a pool are replaced, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hashistack.spec.policy import UpgradePolicy


@dataclass(frozen=True)
class Policy:
    """How the machines of a pool are replaced; the fields of the specification's `upgrade`, durations in seconds."""

    max_surge: int = 1
    max_unavailable: int = 0
    canary: int = 1
    pace: Literal["applications", "drain"] = "drain"
    drain_deadline: float = 3600.0
    min_healthy_time: float = 10.0
    max_kill_timeout: float = 30.0

    @classmethod
    def of(cls, upgrade: UpgradePolicy) -> Policy:
        """The policy that a specification says."""
        from hashistack.spec.durations import seconds  # the plugin reads connections at each `up`, without a spec

        return cls(
            max_surge=upgrade.max_surge,
            max_unavailable=upgrade.max_unavailable,
            canary=upgrade.canary,
            pace=upgrade.pace,
            drain_deadline=seconds(upgrade.drain_deadline),
            min_healthy_time=seconds(upgrade.min_healthy_time),
            max_kill_timeout=seconds(upgrade.max_kill_timeout),
        )
