"""The wait of an `up` for a group of virtual machines: until as many are in service as the group itself wants."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from hashistack.ops.readiness.patience import Patience
from hashistack.provider.handler import Context, Handler, Props, ResourceFailed


class InService(Handler, ABC):
    """What the clouds' handlers of the wait have in common. Inputs: group, its name, by which the resource is known."""

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        self._wait(ctx, news)
        return str(news["group"]), {}

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        self._wait(ctx, news)
        return {}

    @abstractmethod
    def _wait(self, ctx: Context, news: Props) -> None:
        """Returns when the group has what it wants. Raises ResourceFailed."""


@dataclass(frozen=True)
class Service:
    """One look at a group. serving: machines in service. wanted: how many it wants. said: what is known of those that
    are not, "" for nothing. remedy: what to do about them."""

    serving: int
    wanted: int
    said: str = ""
    remedy: str = ""


def wait(
    ctx: Context,
    group: str,
    look: Callable[[], Service],
    *,
    patience: float,
    poll: float,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Returns when the group has what it wants.

    look: asks the cloud. patience: seconds without one more machine in service. poll: seconds between two looks.
    Raises ResourceFailed with the last look, when patience is over or the user cancels.
    """
    waited = Patience(patience, clock())
    while True:
        seen = look()
        if seen.serving >= seen.wanted:
            return
        machines = f"{seen.serving} of {seen.wanted} machines"
        ctx.progress(f"{machines} in service. {seen.said}".strip())
        waited.sees(group, seen.serving, clock())
        if waited.is_over(clock()):
            told = f"{group}: {machines} are in service. It says: {seen.said or 'nothing'}"
            raise ResourceFailed(told, seen.remedy)
        if ctx.cancelled.wait(poll):
            raise ResourceFailed(f"cancelled while {group} had {machines} in service")
