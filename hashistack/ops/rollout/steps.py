"""What the rollout may do next, a dataclass for each verb; the `str` of a step is one line for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from hashistack.ops.api.raft import names
from hashistack.ops.rollout.fleet import Machine


class Step:
    """One thing to do or to wait for. Each step may be repeated, and has a `why` that starts in lower case."""

    why: str


@dataclass(frozen=True)
class Grow(Step):
    """Start `count` more machines of what the pool declares. replaces: the server that goes once the new one votes."""

    pool: str
    count: int
    why: str
    replaces: str = ""

    def __str__(self) -> str:
        return f"{self.pool}: start {self.count} new machine{'s' if self.count > 1 else ''}: {self.why}"


@dataclass(frozen=True)
class OfMachines(Step):
    """A step that concerns these machines of one pool."""

    pool: str
    machines: tuple[str, ...]
    why: str
    verb: ClassVar[str]

    def __str__(self) -> str:
        return f"{self.pool}: {self.verb} {names(self.machines)}: {self.why}"


class Cordon(OfMachines):
    """Make clients ineligible: they keep their work and get no more."""

    verb = "make ineligible"


class Uncordon(OfMachines):
    """Make clients eligible again."""

    verb = "make eligible"


class Drain(OfMachines):
    """Begin to drain clients; all of them are ineligible already."""

    verb = "drain"


class Terminate(OfMachines):
    """Tell machines to go: clients without work, or a server, whose leaderships are moved first."""

    verb = "take away"


class Start(OfMachines):
    """Start machines again that are stopped; they keep their data."""

    verb = "start again"


class Delete(OfMachines):
    """Remove machines that are terminated."""

    verb = "discard"


class Wait(OfMachines):
    """Nothing can be done in this pool but to look again."""


class Await(Wait):
    """Machines that have yet to be healthy for long enough, or whose drain is under way."""

    verb = "wait for"


class AwaitGone(Wait):
    """Machines that were told to go."""

    verb = "wait until gone"


class AwaitWork(Wait):
    """Machines that hold work which only the applications' own deploys move (pace `applications`)."""

    verb = "wait for deploys to leave"


@dataclass(frozen=True)
class PruneMember(Step):
    """Remove names that no machine has any more from Raft, from Nomad's nodes and from Consul's catalog."""

    names: tuple[str, ...]
    why: str

    def __str__(self) -> str:
        return f"forget {names(self.names)}: {self.why}"


def named(machines: Iterable[Machine]) -> tuple[str, ...]:
    """The names of machines, in their order."""
    return tuple(machine.name for machine in machines)


def short(bundle: str) -> str:
    """As much of a digest as people need."""
    return bundle[:8]
