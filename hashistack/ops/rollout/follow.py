"""A cluster followed from outside a rollout: what changes in it, as the events that a rollout tells itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hashistack.ops.api.http import ApiError
from hashistack.ops.rollout.clock import Clock
from hashistack.ops.rollout.driver import DriverFailed
from hashistack.ops.rollout.event_log import recorded
from hashistack.ops.rollout.event_recorder import EventRecorder, life
from hashistack.ops.rollout.events import Event, EventInvalid, LeaderEvent, Life, MachineEvent, RolloutEvent, parse
from hashistack.ops.rollout.fleet import Fleet
from hashistack.ops.rollout.observer import Observation

IN_SERVICE: Final = ("healthy", "voter")
"""The states of a machine that does its work: a client's and a server's."""


@dataclass(frozen=True)
class Progress:
    """How far a pool is. count: its declared machines. current: those in service that booted from what is declared.

    others: how many of the remaining ones are in which state; those in service booted from something older.
    """

    pool: str
    count: int
    current: int
    others: Mapping[Life, int]

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.current == self.count and not self.others


class Follower:
    """Looks at a cluster again and again.

    Args:
        observe: sees the machines; None where their platform can't be asked from here.
        cluster: its id. bundles: pool to the digest that is declared; a rollout that begins says another.
        project: where rollouts that are run from here leave their events.
    """

    def __init__(
        self,
        observe: Callable[[], Observation] | None,
        cluster: str,
        bundles: Mapping[str, str],
        project: Path,
        clock: Clock | None = None,
    ) -> None:
        self._observe, self._bundles = observe, {**bundles}
        self._events: list[Event] = []
        self._recorder = EventRecorder(self._events.append, clock)
        self._log = _Log(project, cluster, (clock or Clock()).now())
        self._fleet = Fleet(())

    def look(self) -> list[Event]:
        """What has happened since the last look; at the first one, each machine and leader that there is.

        Where a product or the platform does not answer nothing is seen of the machines; what a rollout tells is.
        """
        for event in self._log.news():
            if isinstance(event, RolloutEvent):
                self._bundles |= event.bundles
            self._events.append(event)
        if self._observe:
            with suppress(ApiError, DriverFailed):
                seen = self._observe()
                self._fleet = seen.fleet
                self._recorder.fleet(seen)
        happened = [*self._events]
        self._events.clear()
        return happened

    def progress(self) -> list[Progress]:
        """How far each pool is, as it was seen last."""
        found = []
        for pool in self._fleet.pools:
            wanted = self._bundles.get(pool.name, pool.bundle)
            lives = [(life(pool, machine), machine.bundle == wanted) for machine in pool.machines]
            others = Counter(state for state, new in lives if not (new and state in IN_SERVICE))
            found.append(Progress(pool.name, pool.count, len(lives) - others.total(), others))
        return found


class _Log:
    """What rollouts of one cluster that go on tell besides, read from their files as these grow."""

    def __init__(self, project: Path, cluster: str, since: float) -> None:
        self._project, self._cluster, self._since = project, cluster, since
        self._read: dict[Path, int] = {}
        self._ours: dict[Path, bool] = {}

    def news(self) -> Iterator[Event]:
        """Events that are new, but for those of machines and leaders, which a look sees itself."""
        for file in recorded(self._project, self._since):
            with file.open("rb") as lines:
                lines.seek(self._read.get(file, 0))
                for line in lines:
                    if not line.endswith(b"\n"):  # its writer is in the middle of it
                        break
                    self._read[file] = self._read.get(file, 0) + len(line)
                    if event := self._event(line):
                        if isinstance(event, RolloutEvent):
                            self._ours[file] = event.cluster == self._cluster
                        if self._ours.get(file) and not isinstance(event, MachineEvent | LeaderEvent):
                            yield event

    def _event(self, line: bytes) -> Event | None:
        with suppress(ValueError, EventInvalid):  # cut short by a killed writer, or of a later release
            return parse(json.loads(line))
        return None
