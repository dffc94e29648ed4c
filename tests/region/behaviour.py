"""What an account does and nobody promises: how late it is, how often it refuses, which of two ways it goes.

All of it follows from one seed (`HASHISTACK_REGION_SEED` for the region of the tests), so that a run can be repeated.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from .signatures import Refused

if TYPE_CHECKING:
    from .front import Seen

# A refusal is the service's own: code and HTTP status.
# https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html and each service's "Common errors".
_THROTTLED = {
    "autoscaling": ("Throttling", 400),
    "ec2": ("RequestLimitExceeded", 503),
    "s3": ("SlowDown", 503),
}
_DENIED = {
    "autoscaling": ("AccessDenied", 403),
    "ec2": ("UnauthorizedOperation", 403),
    "s3": ("AccessDenied", 403),
}


@dataclass
class Behaviour:
    """One account's. By default nothing is late and nothing fails."""

    seed: int = 0
    drain: float = 0.0
    """Seconds for which a group takes an instance out of its target groups, before it comes to its termination hook."""
    flip: float = 0.0
    """Seconds after a termination began at which the instance's metadata say so: before its group waits, or after."""
    hook_after_abandon: bool = False
    """Whether a launch that is abandoned passes the termination hook too."""
    versioning: float = 0.0
    """Seconds until the versioning of a bucket is in force."""
    permissions: float = 0.0
    """Seconds for which a new role is denied everything."""
    failing: float = 0.0
    """The share of launches for which there is no capacity."""
    throttled: float = 0.0
    """The share of calls that are too many."""
    _asked: Counter[str] = field(default_factory=Counter, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, seed: int) -> Behaviour:
        """An account as they may be, at a pace that a test can wait for."""
        by = Random(seed)  # noqa: S311 (to be repeated)
        return cls(
            seed,
            drain=by.uniform(1, 6),
            flip=by.uniform(0, 8),
            hook_after_abandon=by.random() < 0.5,
            versioning=by.uniform(0, 20),
            permissions=by.uniform(0, 15),
            failing=by.uniform(0, 0.2),
            throttled=by.uniform(0, 0.03),
        )

    def happens(self, what: str, share: float) -> bool:
        """Whether the next `what` is one of the share; the same for the same seed, whatever else happens beside."""
        with self._lock:
            self._asked[what] += 1
            turn = self._asked[what]
        return Random(f"{self.seed}/{what}/{turn}").random() < share  # noqa: S311 (to be repeated)

    def refusal(self, seen: Seen, role_age: float) -> Refused | None:
        """What AWS answers in place of the call. role_age: seconds since the caller's role was made; inf for a user."""
        if role_age < self.permissions:
            code, status = _DENIED.get(seen.service, ("AccessDeniedException", 400))
            return Refused(code, f"the role may not call {seen.action} yet", status)
        if self.happens(f"{seen.service} {seen.action.partition('?')[0]}", self.throttled):
            code, status = _THROTTLED.get(seen.service, ("ThrottlingException", 400))
            return Refused(code, "Rate exceeded", status)
        return None


CALM = Behaviour()
