"""Turns what a rollout sees and does into events, each told once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from hashistack.ops.rollout.clock import Clock
from hashistack.ops.rollout.events import (
    Event,
    LeaderEvent,
    Life,
    MachineEvent,
    NoticeEvent,
    Product,
    RolloutEvent,
    StepEvent,
)
from hashistack.ops.rollout.fleet import Machine, Pool
from hashistack.ops.rollout.observer import Observation
from hashistack.ops.rollout.plan import Plan
from hashistack.ops.rollout.steps import Step

SINGLE = "jobs with one allocation, away for a moment while it moves"


class EventRecorder:
    """Tells when a machine changes its state, leadership moves, and a step begins and ends."""

    def __init__(self, tell: Callable[[Event], None], clock: Clock | None = None) -> None:
        self.tell = tell
        self._clock = clock or Clock()
        self.gone = 0
        """Machines that have gone for good since the beginning."""
        self._states: dict[str, tuple[str, Life, str]] = {}
        self._leaders: dict[str, str] = {}
        self._open: dict[str, float] = {}

    def begin(self, cluster: str, seen: Observation, whole: Plan, alone: Sequence[str]) -> None:
        """What is going to be changed, and which jobs notice. `alone`: those with one allocation on an old machine."""
        bundles = {pool.name: pool.bundle for pool in seen.fleet.pools}
        noticed = [f"{SINGLE}: {', '.join(alone)}"] if alone else []
        self.tell(RolloutEvent(self._clock.now(), cluster, (*map(str, whole.pools), *noticed), bundles))

    def warn(self, text: str) -> None:
        """Something that is worth knowing, and stops nothing."""
        self.tell(NoticeEvent(self._clock.now(), text))

    def during(self, text: str, work: Callable[[], None]) -> None:
        """A step that is one call."""
        started = self._clock.monotonic()
        self.tell(StepEvent(self._clock.now(), text, "begun"))
        try:
            work()
        except Exception:
            self.tell(StepEvent(self._clock.now(), text, "failed", self._clock.monotonic() - started))
            raise
        self.tell(StepEvent(self._clock.now(), text, "done", self._clock.monotonic() - started))

    def fleet(self, seen: Observation) -> None:
        """Machines and leaders, where they differ from the last look."""
        now = self._clock.now()
        there: dict[str, tuple[str, Life, str]] = {}
        for pool in seen.fleet.pools:
            for machine in pool.machines:
                there[machine.name] = (pool.name, life(pool, machine), machine.bundle)
        for name, state in there.items():
            if self._states.get(name) != state:
                self.tell(MachineEvent(now, name, *state))
        for name in self._states.keys() - there.keys():
            where, before, bundle = self._states[name]
            self.gone += 1
            if before != "gone":
                self.tell(MachineEvent(now, name, where, "gone", bundle))
        self._states = there
        products: tuple[Product, ...] = get_args(Product)
        for product in products:
            leader = seen.rafts[product].leader if product in seen.rafts else ""
            if leader and self._leaders.get(product) != leader:
                self._leaders[product] = leader
                self.tell(LeaderEvent(now, product, leader))

    def steps(self, todo: Sequence[Step]) -> None:
        """Steps that begin now, and those that have ended because they are wanted no more."""
        now, texts = self._clock.monotonic(), [str(one) for one in todo]
        for text in [text for text in self._open if text not in texts]:
            self.tell(StepEvent(self._clock.now(), text, "done", now - self._open.pop(text)))
        for text in texts:
            if text not in self._open:
                self._open[text] = now
                self.tell(StepEvent(self._clock.now(), text, "begun"))

    def failed(self, reason: str) -> None:
        """The steps under way have ended without success."""
        for text, began in self._open.items():
            self.tell(StepEvent(self._clock.now(), text, "failed", self._clock.monotonic() - began))
        self._open = {}


def life(pool: Pool, machine: Machine) -> Life:
    """A machine's state, as events tell it."""
    if machine.state == "terminated":
        return "gone"
    if machine.state == "stopped":
        return "unhealthy"
    if machine.draining and machine.state == "healthy":
        return "draining"
    if machine.state == "healthy":
        return "voter" if pool.role == "server" else "healthy"
    return machine.state
