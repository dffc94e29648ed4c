"""How long a wait goes on: as long as what it waits for gets further, and not for ever. Pure: it is told the time."""

from __future__ import annotations

from dataclasses import dataclass, field

LIMIT = 10
"""All of a wait takes so many times its patience at most, whatever moves. At load 30 on two cores a cluster of six
machines took 280 s, 1.6 times the 180 s of an `up`; on an idle host it takes 15 s."""


@dataclass
class Patience:
    """How long to wait. seconds: without any progress. started: when the wait began, in seconds of a clock that only
    goes forward.

    Progress is what has never been seen before: a cluster that flaps moves, and gets nowhere.
    """

    seconds: float
    started: float
    moved: float = field(init=False)
    """When there was progress last."""
    _furthest: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.moved = self.started

    def sees(self, what: str, steps: int, now: float) -> None:
        """`what` has made so many steps towards being true; all of them count once."""
        if steps > self._furthest.get(what, 0):
            self._furthest[what] = steps
            self.moved = now

    def is_over(self, now: float) -> bool:
        """Whether nothing has got further for too long, or all of it takes too long."""
        return now - self.moved > self.seconds or now - self.started > self.seconds * LIMIT
