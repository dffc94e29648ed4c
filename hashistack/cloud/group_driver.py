"""What drivers over groups of virtual machines share.

A group makes what a stack declares, and makes it anew where it is lost. A driver says how many machines there are and
which one goes, one change at a time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from hashistack.ops.api.connection import Pool
from hashistack.ops.rollout.driver import DriverFailed

POLL_SECONDS = 2.0
LISTED_SECONDS = 180.0
"""For a group to start the next of the machines that it was told to: without spot capacity it never does."""
LINES = 40
"""How much of a machine's console is evidence."""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\S\n]*\r|[^\x20-\x7e\n\t]")


class GroupDriver:
    """The calls of a `PoolDriver` that are the same for every cloud's groups. `cloud`: what the cloud is called."""

    cloud: ClassVar[str]
    cannot_stop: str

    def start(self, names: Sequence[str]) -> None:
        """Raises DriverFailed."""
        raise DriverFailed(self.cannot_stop)

    def stop(self, names: Sequence[str]) -> None:
        """Raises DriverFailed."""
        raise DriverFailed(self.cannot_stop)

    def ensure_api(self) -> None:
        """The load balancer is the stack's."""

    def vault_init(self) -> str:
        return ""  # Vault opens by its KMS key

    def keep_vault_init(self, document: str) -> None:
        raise DriverFailed(
            f"Vault on {self.cloud} opens by its KMS key alone, so there is no unseal key to keep",
            "restore an archive that was taken of a cluster with the same KMS key",
        )


def size(pool: Pool, desired: int, most: int, *, rolling: bool) -> int:
    """What autoscaling has made of a pool of clients, up to its `max`; never less than is declared.

    desired: what the group is to have. most: what it may have, with the surge of a roll. rolling: machines of more
    than one bundle are in it: then as many as the surge are the roll's own, which was stopped.
    """
    if pool.role == "server":
        return pool.count
    surge = pool.policy.max_surge
    return max(pool.count, min(desired - (surge if rolling else 0), most - surge))


def arrivals(new: Callable[[], Sequence[str]], count: int) -> tuple[str, ...]:
    """What `new` answers as soon as it is so many; those that there are where no more come for LISTED_SECONDS."""
    deadline, listed = time.monotonic() + LISTED_SECONDS, 0
    while True:
        found = tuple(new())
        if len(found) > listed:
            deadline, listed = time.monotonic() + LISTED_SECONDS, len(found)
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(POLL_SECONDS)


def evidence(console: str) -> str:
    """The end of a machine's console, without control characters."""
    return "\n".join(_CONTROL.sub("", console).splitlines()[-LINES:])
