"""What a platform can do with the machines of a pool: each provider implements it, the rollout knows nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from hashistack.errors import HashistackError
from hashistack.ops.api.connection import Pool


@dataclass(frozen=True)
class Instance:
    """A machine as its platform lists it. `name` is its name in Nomad, Consul and Vault too.

    state: running; leaving (it was told to go and drains, leaves and stops by itself); stopped (nobody told it to go:
    it keeps its data, and `start` brings it back); terminated (it can only be removed).
    age: seconds since it was started.
    """

    name: str
    pool: str
    bundle: str
    state: Literal["running", "leaving", "stopped", "terminated"]
    age: float = 0.0


class PoolDriver(Protocol):
    """Lists, grows and shrinks pools. Every call may be repeated, and finds the work of an earlier one done.

    boot_seconds: for a machine from its start to healthy. leave_seconds: for one without work to leave and be gone;
    beside its drain and its tasks' own time to stop. Beyond either something is wrong with it.
    """

    @property
    def boot_seconds(self) -> float: ...

    @property
    def leave_seconds(self) -> float: ...

    @property
    def cannot_stop(self) -> str:
        """Why machines here are not stopped and started by command, and what to do instead; "" where they are."""

    def instances(self) -> tuple[Instance, ...]:
        """Every machine of the cluster that the platform has, oldest first in each pool."""

    def size(self, pool: Pool) -> int:
        """The machines that a declared pool is to have: `count`, or more where something scales it. Once a run."""

    def check(self, pool: str) -> None:
        """Raises DriverFailed where `grow` would not make what the pool declares; changes nothing."""

    def ensure_api(self) -> None:
        """Bring back what holds the APIs' address where the platform keeps that beside the machines. Once a run."""

    def grow(self, pool: str, count: int) -> tuple[str, ...]:
        """Start `count` more machines from what the pool declares; answers their names at once, they boot meanwhile."""

    def start(self, names: Sequence[str]) -> None:
        """Start machines that are stopped, with their data, names and addresses. Returns at once, they boot meanwhile.

        Raises DriverFailed, which says for each machine that can't be started what is in the way.
        """

    def stop(self, names: Sequence[str]) -> None:
        """Stop machines as a reboot would: services end in order, and nothing leaves the cluster. Returns when done."""

    def terminate(self, names: Sequence[str]) -> None:
        """Tell machines to go: each drains, leaves the cluster and stops by itself. Returns at once."""

    def discard(self, names: Sequence[str]) -> None:
        """Remove machines outright: those that are terminated, or that were told to go and hang."""

    def vault_init(self) -> str:
        """What unseals the cluster's Vault, out of the platform's secret store; "" where a key service does."""

    def keep_vault_init(self, document: str) -> None:
        """Put back what unseals a restored Vault; servers read it there."""

    def evidence(self, name: str) -> str:
        """Why a machine is late: the last lines of its log, "" when there are none. Holds no secret."""


class DriverFailed(HashistackError):
    """The platform refused or did not answer; the text says what and what to do next."""
