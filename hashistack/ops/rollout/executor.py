"""Brings a cluster's machines to what is declared: looks, does what the planner says may be done now, looks again.

It remembers nothing that it needs: stopped anywhere, the next run goes on from what it sees.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.http import ApiError
from hashistack.ops.api.lock import Lock
from hashistack.ops.rollout import steps as step
from hashistack.ops.rollout import stop
from hashistack.ops.rollout.clock import Clock
from hashistack.ops.rollout.disruptions import disruptions
from hashistack.ops.rollout.driver import PoolDriver
from hashistack.ops.rollout.event_log import stamp
from hashistack.ops.rollout.event_recorder import EventRecorder
from hashistack.ops.rollout.events import Event, ResultEvent
from hashistack.ops.rollout.fleet import Machine, Pool
from hashistack.ops.rollout.observer import Observation, Observer
from hashistack.ops.rollout.plan import next_steps
from hashistack.ops.rollout.preparation import Preparation, prepare, refusal
from hashistack.ops.rollout.regressions import REMEDY, Regressions, stopped
from hashistack.ops.rollout.steps import Step
from hashistack.ops.snapshots.save import save

POLL_SECONDS = 0.25
SILENCE_SECONDS = 60.0
"""How long an API may be without an answer: longer than any election."""
_AT_ONCE = (step.Cordon, step.Uncordon, step.Delete)
"""Steps whose effect is there when they have been taken, so that the next look need not wait."""
TRANSFERS = 3
"""Tries to hand leadership over before a leader goes all the same: its own leave does it too."""


class RolloutFailed(HashistackError):
    """A rollout stopped; the text says why, with evidence, and what to do. Running it again goes on from there."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    replaced: machines that are gone. changed: something was done at all; a lost machine's successor replaces none.
    waiting: machines that wait for the applications to leave them, "" when all is done.
    """

    replaced: int
    seconds: float
    waiting: str = ""
    changed: bool = False


class Rollout:
    """One run of the rollout.

    Args:
        roll: replace machines of another bundle; False only replaces lost machines and changes the pools' sizes.
        tell: gets every event, from the caller's thread.
        snapshots: the directory for a snapshot of all three, taken before servers are changed; None takes none.
        cancelled: stops the run between two looks.
        ignored: jobs (`namespace/job`) whose failures stop nothing.
        clock, lock: the time, and what keeps others away meanwhile; tests have their own.
    """

    def __init__(
        self,
        cluster: Cluster,
        driver: PoolDriver,
        *,
        roll: bool = True,
        tell: Callable[[Event], None],
        snapshots: Path | None = None,
        cancelled: threading.Event | None = None,
        ignored: Collection[str] = (),
        clock: Clock | None = None,
        lock: type[Lock] = Lock,
    ) -> None:
        self._cluster, self._driver, self._snapshots = cluster, driver, snapshots
        self._clock, self._lock = clock or Clock(), lock
        self._observer = Observer(cluster, driver, roll, self._clock)
        self._recorder = EventRecorder(tell, self._clock)
        self._cancelled = cancelled or threading.Event()
        self._ignored = ignored
        self._regressions = Regressions(cluster.nomad, self._clock, ignored, self._recorder.warn)
        self._changed = False
        self._since: dict[str, tuple[str, float]] = {}
        self._transfers: dict[str, int] = {}
        self._silent_since: float | None = None
        self._starts = Counter[str]()

    def run(self) -> Outcome:
        """Until nothing is left to do, or only the applications can go on.

        Raises:
            Locked: another rollout is at work.
            RolloutFailed: it can't go on.
            DriverFailed: the platform refused, also to start a machine that is stopped.
            ApiError: an API was silent for too long.
        """
        started = self._clock.monotonic()
        # Before anything else: a cluster that is stopped as a whole has no lock to take.
        self._starts.update(stop.wake(self._cluster, self._driver, self._recorder.during, self._cancelled))
        self._changed = bool(self._starts)
        with (
            stop.quorum_counted(self._cluster.connection, self._driver),
            self._lock(self._cluster.nomad.api, "a rollout") as lock,
        ):
            try:
                waiting = self._converge(lock)
            except Exception as error:
                self._recorder.failed(str(error))
                took = self._clock.monotonic() - started
                self._recorder.tell(ResultEvent(self._clock.now(), False, str(error), took))
                raise
        took, replaced = self._clock.monotonic() - started, self._recorder.gone
        said = f"waiting for the applications to leave {waiting}" if waiting else "all machines are as declared"
        self._recorder.tell(ResultEvent(self._clock.now(), True, said, took, replaced))
        return Outcome(replaced, took, waiting, self._changed)

    def _converge(self, lock: Lock) -> str:
        begun = False
        while True:
            if lock.lost.is_set():
                raise RolloutFailed("the lock of this rollout was lost: another one may be at work", "repeat it")
            if self._cancelled.is_set():
                raise RolloutFailed("cancelled. Repeating it goes on from here")
            seen = self._look()
            if not begun:
                try:
                    prepared = prepare(self._cluster, self._driver, seen, self._ignored, self._clock.now())
                except ApiError as error:
                    self._bear(error)
                    continue
                self._begin(seen, prepared)
                begun = True
            todo = next_steps(seen.fleet)
            self._recorder.steps(todo)
            if not todo and not seen.settling:
                return ""
            waiting = [one for one in todo if isinstance(one, step.AwaitWork)]
            if waiting and len(waiting) == len(todo):
                return ", ".join(name for one in waiting for name in one.machines)
            try:
                self._watch(seen)
                for one in todo:
                    self._changed |= not isinstance(one, step.Wait)
                    self._do(one, seen)
            except ApiError as error:
                self._bear(error)  # each step may be repeated
                continue
            self._silent_since = None
            if not any(isinstance(one, _AT_ONCE) for one in todo):
                self._clock.wait(self._cancelled, POLL_SECONDS)

    def _begin(self, seen: Observation, prepared: Preparation) -> None:
        if refused := refusal(prepared.homeless, prepared.losing):
            raise RolloutFailed(*refused)
        name, alone = self._cluster.connection.name, disruptions(seen.placed, seen.fleet)
        self._recorder.begin(name, seen, prepared.plan, alone)
        for warning in prepared.warnings:
            self._recorder.warn(warning)
        if prepared.plan.snapshot and self._snapshots is not None:
            self._recorder.during("snapshot of Nomad, Consul and Vault", self._take_snapshot)

    def _take_snapshot(self) -> None:
        assert self._snapshots is not None  # noqa: S101 - for mypy: see _begin
        save(self._cluster, self._snapshots / f"{stamp()}.tar", self._driver.vault_init())

    def _look(self) -> Observation:
        while True:
            try:
                seen = self._observer.look()
            except ApiError as error:
                self._bear(error)
            else:
                self._recorder.fleet(seen)
                return seen

    def _bear(self, error: ApiError) -> None:
        """Elections, and servers that go, interrupt an API for a moment. Raises RolloutFailed when it is a long one."""
        now = self._clock.monotonic()
        self._silent_since = now if self._silent_since is None else self._silent_since
        if now - self._silent_since > SILENCE_SECONDS or self._clock.wait(self._cancelled, POLL_SECONDS):
            raise RolloutFailed(f"{error.what}. Repeating the same command goes on from here", error.remedy) from error

    def _do(self, one: Step, seen: Observation) -> None:
        nomad = self._cluster.nomad
        match one:
            case step.Grow():
                # The election is over by the time that the new machine votes, and the old one may go at once.
                if _has_successor(seen, one):
                    self._let_go_of_leadership(one.replaces, seen)
                self._driver.grow(one.pool, one.count)
            case step.Cordon() | step.Uncordon():
                for name in one.machines:
                    nomad.set_eligible(seen.nodes[name], isinstance(one, step.Uncordon))
            case step.Drain():
                deadline = _pool(seen, one.pool).policy.drain_deadline
                for name in one.machines:
                    nomad.drain(seen.nodes[name], deadline)
            case step.Terminate():
                ready = (self._let_go_of_leadership, self._work_is_settled)
                going = [name for name in one.machines if all(may_go(name, seen) for may_go in ready)]
                self._driver.terminate(going)
            case step.Start():
                stop.start_again(self._driver, one.machines, self._starts)
            case step.Delete():
                self._driver.discard(one.machines)
            case step.PruneMember():
                for name in one.names:
                    self._forget(name, seen)

    def _let_go_of_leadership(self, name: str, seen: Observation) -> bool:
        """Whether the machine may go now: it leads nothing, or nobody would take it."""
        leads = [product for product in ("nomad", "consul") if seen.rafts[product].leader == name]
        if not leads or self._transfers.get(name, 0) >= TRANSFERS:
            return True
        self._transfers[name] = self._transfers.get(name, 0) + 1
        for product in leads:
            heir = _heir(seen, product, name)
            if heir is None:
                continue
            peer = next(peer for peer in seen.rafts[product].peers if peer.name == heir)
            try:
                (self._cluster.nomad if product == "nomad" else self._cluster.consul).transfer_leadership(peer)
            except ApiError:
                continue  # seen at the next look; the machine's own leave hands it over at the latest
        return False

    def _work_is_settled(self, name: str, seen: Observation) -> bool:
        """Whether all that was moved away from a client is in service: until then the client can have it back."""
        node = seen.nodes.get(name)
        return node is None or self._regressions.settled(name, self._cluster.nomad.successors(node), seen)

    def _forget(self, name: str, seen: Observation) -> None:
        cluster = self._cluster
        for product, forget in (
            ("vault", cluster.vault.forget),
            ("nomad", cluster.nomad.forget_server),
        ):
            if any(peer.name == name for peer in seen.rafts[product].peers):
                forget(name)
        if name in seen.nodes:
            cluster.nomad.purge(seen.nodes[name])
        cluster.consul.forget(name)

    def _watch(self, seen: Observation) -> None:
        """Stop what will not end by itself: machines that don't boot or don't go, work that fails where it is moved."""
        for pool in seen.fleet.pools:
            for machine in pool.machines:
                waited = self._waited(machine)
                late = machine.state in ("booting", "unhealthy") and machine.bundle == pool.bundle
                if late and waited > self._driver.boot_seconds:
                    evidence = self._driver.evidence(machine.name)
                    raise RolloutFailed(
                        f"{machine.name} is not healthy after {self._driver.boot_seconds:.0f} s; what was there before "
                        f"still runs.\n{evidence}\n"
                        "Next: mend what it says, then repeat; or declare what was there before"
                    )
                if machine.state == "leaving" and waited > _work_budget(pool) + self._driver.leave_seconds:
                    self._driver.discard([machine.name])
        if worse := self._regressions.look(seen):
            for pool in seen.fleet.pools:
                for machine in pool.machines:
                    if pool.role == "client" and machine.state == "healthy" and pool.outdated(machine):
                        self._cluster.nomad.undrain(seen.nodes[machine.name])
            raise RolloutFailed(stopped(worse), REMEDY)

    def _waited(self, machine: Machine) -> float:
        """How long the machine has been in the state that it is in, as far as this run has seen."""
        state, since = self._since.get(machine.name, ("", 0.0))
        if state != machine.state:
            since = self._clock.monotonic()
            self._since[machine.name] = (machine.state, since)
        return self._clock.monotonic() - since


def _work_budget(pool: Pool) -> float:
    drain = pool.policy.drain_deadline if pool.role == "client" else 0.0
    return drain + pool.policy.max_kill_timeout


def _pool(seen: Observation, name: str) -> Pool:
    return next(pool for pool in seen.fleet.pools if pool.name == name)


def _has_successor(seen: Observation, grow: step.Grow) -> bool:
    """Whether leadership can go to a server that stays, so that it needn't be moved once more."""
    pool = _pool(seen, grow.pool)
    return bool(grow.replaces) and any(pool.proven(m) and not pool.outdated(m) for m in pool.machines)


def _heir(seen: Observation, product: str, leader: str) -> str | None:
    """A healthy server to lead next: one of the declared bundle before any other."""
    servers: Sequence[tuple[bool, str]] = sorted(
        (machine.bundle != pool.bundle, machine.name)
        for pool in seen.fleet.pools
        if pool.role == "server"
        for machine in pool.machines
        if machine.state == "healthy" and machine.name != leader and seen.rafts[product].is_healthy_voter(machine.name)
    )
    return servers[0][1] if servers else None
