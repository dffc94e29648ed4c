"""Readiness as a list of sentences, each with the probe that says whether it is true.

The same list serves `up`, the command line, CI and the rollout.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection, Pool
from hashistack.ops.api.consul import MachineHealth
from hashistack.ops.api.http import ApiError
from hashistack.ops.api.nodes import Node
from hashistack.ops.api.raft import Raft, names
from hashistack.ops.api.vault import VaultServer
from hashistack.ops.readiness.patience import Patience
from hashistack.ops.readiness.smoke import Smoke

POLL_SECONDS = 0.2
"""Between two looks, or as long as the one before took: where the host is busy, it is not our looks that keep it so."""
TICK_SECONDS = 4.0
"""Under the 5 s that a user may be left without a sign of life."""
END_SECONDS = 3.0
"""For a probe in mid-call when the wait ends without it."""


@dataclass(frozen=True)
class Result:
    """What a probe saw: whether its sentence is true, and the evidence either way.

    remedy: what to do if it stays so, "" where only waiting helps. steps: how far it is; more is nearer to the truth.
    """

    done: bool
    detail: str
    remedy: str = ""
    steps: int = 0


Probe = Callable[[Cluster], Result]


@dataclass(frozen=True)
class Check:
    """A sentence that becomes true once. `after`: sentences that must be true before it is probed."""

    sentence: str
    probe: Probe
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Update:
    """News for whoever watches `wait`: a sentence came true (`done`), or what is still waited for."""

    done: bool
    sentence: str
    detail: str
    seconds: float

    def __str__(self) -> str:
        told = f"{self.sentence}: {self.detail}" if self.detail else self.sentence
        return told if self.done else f"waiting: {told}"


class NotReady(HashistackError):
    """A sentence did not come true in time; says which, what was seen last, and who is late.

    seconds: since the wait began. still: since anything got further.
    """

    def __init__(
        self, seconds: float, still: float, missing: Sequence[tuple[str, str]], remedies: Iterable[str] = ()
    ) -> None:
        lines = [f"{sentence}: {detail}" for sentence, detail in missing]
        first = f"not ready after {seconds:.0f} s, the last {still:.0f} s without progress; still not true:"
        super().__init__("\n".join([first, *lines]), "; ".join(dict.fromkeys(remedy for remedy in remedies if remedy)))
        self.missing = tuple(missing)


def readiness(connection: Connection, smoke: bool = True) -> tuple[Check, ...]:
    """What must be true of a cluster before it is called ready.

    Args:
        smoke: run the smoke job too (it stays in the cluster).
    """
    servers, clients = connection.machines("server"), connection.machines("client")
    consul = Check(f"{servers} Consul servers agree on a leader", lambda c: _agreed(c.consul.raft(), servers))
    nomad = Check(f"{servers} Nomad servers agree on a leader", lambda c: _agreed(c.nomad.raft(), servers))
    active = Check("Vault is initialised and active", _vault_active)
    vault = Check(f"{servers} Vault servers are unsealed and vote", _vault_votes, (active.sentence,))
    pools = Check(f"{clients} Nomad clients are ready and eligible", _clients)
    machines = Check(f"{connection.machines()} machines call themselves healthy", _machines, (consul.sentence,))
    checks = (consul, nomad, active, pools, vault, machines)
    if not smoke or not clients:
        return checks
    before = (pools.sentence, active.sentence)  # what else it needs, it waits for
    return (
        *checks,
        Check("a job that reads a Vault secret answers under its .consul name", SmokeProbe(), before),
    )


def tokens() -> Check:
    """What comes before any work on a cluster whose tokens may just have been rotated (`node/rotate/ensure-tokens`)."""
    return Check("the cluster knows this stack's tokens", _tokens)


class SmokeProbe:
    """The smoke job as a probe: the first call that can submits it, later calls watch it."""

    def __init__(self) -> None:
        self._smoke: Smoke | None = None

    def __call__(self, cluster: Cluster) -> Result:
        self._smoke = self._smoke or Smoke(cluster)
        if not self._smoke.started:
            missing = self._smoke.start()
            return Result(False, missing or "submitted to Nomad", steps=ANSWERS if missing else ANSWERS + 1)
        done, detail = self._smoke.look()
        return Result(done, detail, steps=ANSWERS + 1 + self._smoke.events)


def _tokens(cluster: Cluster) -> Result:
    for ask in (cluster.nomad.raft, cluster.consul.raft, cluster.vault.login):
        try:
            ask()
        except ApiError as error:
            # Nomad keeps the rollout's lock, so it has to answer. Another that does not may be what is to be mended.
            if error.product == "nomad" or error.status in (400, 403):
                return Result(False, error.what)
    return Result(True, "")


def _agreed(raft: Raft, servers: int) -> Result:
    return Result(raft.has_quorum(servers), raft.describe(servers), steps=ANSWERS + raft.steps)


ANSWERS = 1
"""The first step of what is asked of an API: that it answers, if only that it is not ready."""

_VAULT_STEPS = {"uninitialised": 1, "sealed": 2, "standby": 3, "active": 3}


def _vault_steps(servers: Iterable[VaultServer]) -> int:
    return sum(_VAULT_STEPS[server.state] for server in servers)


def _vault_active(cluster: Cluster) -> Result:
    seen = cluster.vault.health()
    states, steps = [server.state for server in seen], _vault_steps(seen)
    if not {"active", "standby"} & {*states}:
        return Result(False, ", ".join(states), steps=steps)
    try:
        cluster.vault.login()
    except ApiError as error:
        if error.status in (400, 403):
            return Result(False, f"{', '.join(states)}; the operator's login is not set up yet", steps=steps)
        raise
    return Result(True, ", ".join(states))


def _vault_votes(cluster: Cluster) -> Result:
    servers, seen = cluster.connection.machines("server"), cluster.vault.health()
    late = [f"{s.address} {s.state}" for s in seen if s.state not in ("active", "standby")]
    if late:
        return Result(False, names(late), steps=_vault_steps(seen))
    raft = cluster.vault.raft()
    return Result(raft.has_quorum(servers), raft.describe(servers), steps=_vault_steps(seen) + raft.steps)


def _clients(cluster: Cluster) -> Result:
    enough, told, remedy, steps = True, [], "", ANSWERS
    for pool in cluster.connection.pools:
        if pool.role != "client":
            continue
        here = cluster.nomad.nodes(pool.name)
        lacks = {node.name: missing_drivers(pool, node) for node in here if node.usable}
        usable = [name for name, missing in lacks.items() if not missing]
        late = [f"{node.name} {node.status}" for node in here if not node.usable]
        if any(lacks.values()):
            late += [f"{name} has no {', no '.join(missing)}" for name, missing in lacks.items() if missing]
            remedy = f"if its machines can't have it, leave it out of the `drivers` of pool {pool.name}"
        enough = enough and len(usable) >= pool.count
        steps += len(here) + len(usable)
        told.append(f"{pool.name} {len(usable)}/{pool.count}" + (f" ({names(late)})" if late else ""))
    return Result(enough, ", ".join(told), remedy, steps)


def missing_drivers(pool: Pool, node: Node) -> list[str]:
    """The task drivers that a pool's machine should have and Nomad can't use there, each with the reason."""
    faults = {driver: node.drivers.get(driver, "not detected") for driver in pool.drivers}
    return [f"{driver} ({fault})" for driver, fault in faults.items() if fault]


def _machines(cluster: Cluster) -> Result:
    expected = cluster.connection.machines()
    seen = cluster.consul.machine_health()
    passing = {health.machine for health in seen if health.status == "passing"}
    ill = [f"{health.machine}: {health.output or health.status}" for health in seen if health.status != "passing"]
    silent = set(cluster.consul.machines()) - {health.machine for health in seen}
    late = ill + [f"{machine}: has not reported yet" for machine in silent]
    detail = f"{len(passing)}/{expected}" + (f", {names(late, 2)}" if late else "")
    return Result(len(passing) >= expected, detail, steps=ANSWERS + len(seen) + sum(map(_machine_steps, seen)))


_MACHINE_WELL = frozenset({"voter", "member", "ready", "reachable", "answers"})


def _machine_steps(health: MachineHealth) -> int:
    """What of a machine is well by its own words (`node/watch/health`)."""
    try:
        return sum(state in _MACHINE_WELL for state in json.loads(health.output)["checks"].values())
    except (ValueError, TypeError, KeyError):  # it has not spoken yet
        return 0


def wait(
    cluster: Cluster,
    checks: Sequence[Check],
    seconds: float,
    on_change: Callable[[Update], None],
    cancelled: threading.Event | None = None,
) -> float:
    """Watch all checks side by side until every sentence is true; answers how long it took, in seconds.

    `seconds` is the time without any progress (see `Patience`): what moves is not late.

    `on_change` is called from the caller's thread: once for each sentence that comes true, and after that and at
    least every 5 s with what is waited for.

    Raises:
        NotReady: nothing got further for `seconds`, all of it took ten times as long, or cancelled.
        SmokeFailed: Nomad gave the smoke job up.
    """
    started, stop = time.monotonic(), threading.Event()
    patience = Patience(seconds, started)
    news: queue.Queue[tuple[Check, Result | Exception]] = queue.Queue()
    seen: dict[str, str] = {}
    remedies: dict[str, str] = {}
    pending = {check.sentence: check for check in checks}
    running: dict[str, threading.Thread] = {}
    told_at = started
    try:
        while pending:
            for check in pending.values():
                if check.sentence not in running and not set(check.after) & pending.keys():
                    watcher = threading.Thread(target=_watch, args=(cluster, check, news, stop), daemon=True)
                    running[check.sentence] = watcher
                    watcher.start()
            now = time.monotonic()
            if patience.is_over(now) or (cancelled and cancelled.is_set()):
                missing = [(sentence, seen.get(sentence, "not looked at yet")) for sentence in pending]
                asked = [remedies.get(sentence, "") for sentence in pending]
                raise NotReady(now - started, now - patience.moved, missing, asked)
            if now - told_at >= TICK_SECONDS:
                told_at = now
                on_change(_open(pending, running, seen, now - started))
            try:
                check, result = news.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(result, Exception):
                raise result
            seen[check.sentence], remedies[check.sentence] = result.detail, result.remedy
            patience.sees(check.sentence, result.steps, time.monotonic())
            if result.done:
                patience.sees(f"{check.sentence} is true", 1, time.monotonic())
                del pending[check.sentence]
                told_at = time.monotonic()
                on_change(Update(True, check.sentence, result.detail, told_at - started))
                if pending:
                    on_change(_open(pending, running, seen, told_at - started))
    finally:
        stop.set()
        for watcher in running.values():
            watcher.join(END_SECONDS)
    return time.monotonic() - started


def _open(pending: Iterable[str], running: Container[str], seen: Mapping[str, str], seconds: float) -> Update:
    """What is waited for: the first sentence of the list that is looked at and not yet true."""
    first = next((sentence for sentence in pending if sentence in running), next(iter(pending)))
    return Update(False, first, seen.get(first, "no answer yet"), seconds)


def _watch(
    cluster: Cluster, check: Check, news: queue.Queue[tuple[Check, Result | Exception]], stop: threading.Event
) -> None:
    last: Result | None = None
    while not stop.is_set():
        began = time.monotonic()
        try:
            result = check.probe(cluster)
        except ApiError as failure:
            # An API that is not there yet, or refuses until its tokens exist, is what we wait for.
            silent = f"{failure.product} does not answer yet ({failure.excerpt})"
            said = str(failure) if failure.status else silent
            result = Result(False, said, failure.remedy, ANSWERS if failure.status else 0)
        except Exception as failure:
            news.put((check, failure))
            return
        if result != last:
            news.put((check, result))
            last = result
        if result.done:
            return
        stop.wait(max(POLL_SECONDS, time.monotonic() - began))
