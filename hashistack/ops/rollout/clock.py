"""The time, and waiting: the one thing of its surroundings that the rollout can't be given by the cluster."""

from __future__ import annotations

import threading
import time


class Clock:
    """The host's own. Tests put another one in its place, in which hours pass in milliseconds."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment; never set back."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Until the event is set, for `seconds` at most; answers whether it is."""
        return event.wait(seconds)
