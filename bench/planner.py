"""The plan of a whole roll of 10,000 clients, made by a fresh process: seconds, memory, waves."""

from __future__ import annotations

import json
import math
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.figure import Figure, load
from hashistack.ops.fleet import Fleet, Machine, Pool
from hashistack.ops.plan import plan
from hashistack.ops.policy import Policy

CLIENTS = 10_000
ALLOCATIONS = 30_000
SURGE = CLIENTS // 20


@dataclass(frozen=True)
class _Measured:
    seconds: float
    floor: float
    mib: float
    waves: int


def figures() -> Iterator[Figure]:
    """A canary as wide as the surge is the first wave; a smaller one is a wave of its own before the others."""
    before = load()
    whole = _in_a_process(SURGE)
    note = f"{CLIENTS:,} clients, {ALLOCATIONS:,} allocations, surge {SURGE}"
    yield Figure(
        "plan of a whole roll",
        whole.seconds,
        "s",
        whole.floor,
        limit=2,
        note=f"{note}; floor: the fleet's own values made once",
        load=before,
    )
    yield Figure("its process, peak memory", whole.mib, "MiB", limit=300, note=note, load=before)
    for canary, most in ((SURGE, math.ceil(CLIENTS / SURGE)), (1, 1 + math.ceil((CLIENTS - 1) / SURGE))):
        waves = _in_a_process(canary).waves if canary != SURGE else whole.waves
        yield Figure(f"waves, canary {canary}", waves, "", most, 1, note="floor: ceil(clients / surge) and the canary")


def fleet(canary: int) -> Fleet:
    """All clients outdated, the allocations spread by chance (seeded), so that some clients hold none."""
    # A seed, so that each run plans the same fleet.
    work = Counter(random.Random(0).choices(range(CLIENTS), k=ALLOCATIONS))  # noqa: S311
    servers = tuple(Machine(f"server-{number}", "new") for number in range(3))
    clients = tuple(Machine(f"web-{number}", "old", work=work[number]) for number in range(CLIENTS))
    policy = Policy(max_surge=SURGE, canary=canary)
    return Fleet(
        (Pool("server", "server", 3, "new", machines=servers), Pool("web", "client", CLIENTS, "new", policy, clients))
    )


def _in_a_process(canary: int) -> _Measured:
    command = [sys.executable, "-m", "bench.planner", str(canary)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return _Measured(**json.loads(done.stdout))


def _measure(canary: int) -> _Measured:
    started = time.monotonic()
    seen = fleet(canary)
    made = time.monotonic()
    whole = plan(seen)
    ended = time.monotonic()
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return _Measured(ended - made, made - started, mib, whole.waves)


if __name__ == "__main__":
    print(json.dumps(asdict(_measure(int(sys.argv[1])))))
