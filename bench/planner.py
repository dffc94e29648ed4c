"""A look at a cluster of 10,000 clients over its APIs, and the plan of its roll, by a fresh process.

Seconds, memory, calls and waves. The APIs are simulated: see `bench.simulated`.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from bench.figure import Figure, load
from bench.simulated import POOL, SERVERS, client, simulated
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection, Endpoint, Pool
from hashistack.ops.api.nomad import PAGE
from hashistack.ops.api.policy import Policy
from hashistack.ops.rollout.driver import Instance
from hashistack.ops.rollout.observer import Observer
from hashistack.ops.rollout.plan import plan
from hashistack.secrets import pki

CLIENTS = 10_000
ALLOCATIONS = 30_000
SURGE = CLIENTS // 20
FIXED_CALLS = 10
"""Of a look, beside the pages: two for each of three Rafts, a login, health, machines and nodes."""


@dataclass(frozen=True)
class Measured:
    """look, plan: seconds. mib: the process's peak memory. calls: of the look. waves: of the plan."""

    look: float
    plan: float
    mib: float
    calls: int
    waves: int


class Listed:
    """A platform that lists its machines and does nothing: all clients are outdated."""

    def __init__(self, clients: int) -> None:
        servers = [Instance(name, "server", "new", "running", 3600.0) for name in SERVERS]
        self._instances = (
            *servers,
            *(Instance(client(number), POOL, "old", "running", 3600.0) for number in range(clients)),
        )

    def instances(self) -> tuple[Instance, ...]:
        return self._instances

    def size(self, pool: Pool) -> int:
        return pool.count


def figures() -> Iterator[Figure]:
    """A canary as wide as the surge is the first wave; a smaller one is a wave of its own before the others."""
    before = load()
    whole, single = _in_a_process(SURGE), _in_a_process(1)
    note = f"{CLIENTS:,} clients, {ALLOCATIONS:,} allocations, surge {SURGE}"
    yield Figure("plan of a whole roll", whole.plan, "s", limit=2, note=note, load=before)
    yield Figure("a look at the fleet, over its APIs", whole.look, "s", note=note, load=before)
    yield Figure("their process, peak memory", whole.mib, "MiB", limit=300, note=note, load=before)
    pages = math.ceil(ALLOCATIONS / PAGE)
    told = f"{FIXED_CALLS}, and one for each {PAGE:,} allocations"
    yield Figure("calls of a look", whole.calls, "", limit=FIXED_CALLS + pages, note=told)
    for canary, made, most in (
        (SURGE, whole, math.ceil(CLIENTS / SURGE)),
        (1, single, 1 + math.ceil((CLIENTS - 1) / SURGE)),
    ):
        yield Figure(f"waves, canary {canary}", made.waves, "", most, 1, note="floor: ceil(clients / surge), canary")


def _in_a_process(canary: int) -> Measured:
    with simulated(CLIENTS, ALLOCATIONS) as address:
        command = [sys.executable, "-m", "bench.planner", address, str(CLIENTS), str(canary)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return Measured(**json.loads(done.stdout))


def connection(address: str, clients: int, canary: int = 1) -> Connection:
    """A connection to the simulated cluster, in which all clients are outdated."""
    now = datetime.now(UTC)
    authority = pki.authority("simulated", timedelta(days=1), now)
    pools = (
        Pool("server", "server", len(SERVERS), "new"),
        Pool(POOL, "client", clients, "new", Policy(max_surge=max(1, clients // 20), canary=canary)),
    )

    def endpoint(product: str) -> Endpoint:
        return Endpoint(f"{address}/{product}", "s", "operator")

    return Connection(
        name="simulated",
        provider="local",
        datacenter="dc1",
        region="global",
        ca_pem=authority.cert_pem,
        operator_cert_pem="",
        operator_key_pem="",
        nomad=endpoint("nomad"),
        consul=endpoint("consul"),
        vault=endpoint("vault"),
        pools=pools,
    )


def calls(address: str) -> dict[str, int]:
    """How often each path was asked."""
    found: dict[str, int] = httpx.get(f"{address}/calls").json()
    return found


def main(arguments: Sequence[str]) -> None:
    """ADDRESS CLIENTS CANARY: prints what was measured as JSON."""
    address, clients, canary = arguments[0], int(arguments[1]), int(arguments[2])
    driver = Listed(clients)
    with Cluster(connection(address, clients, canary)) as cluster:
        started = time.monotonic()
        seen = Observer(cluster, driver).look()  # type: ignore[arg-type]
        looked = time.monotonic()
        whole = plan(seen.fleet)
        ended = time.monotonic()
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    made = Measured(looked - started, ended - looked, mib, sum(calls(address).values()), whole.waves)
    print(json.dumps(asdict(made)))


if __name__ == "__main__":
    main(sys.argv[1:])
