"""Which of the work that fails has a roll made worse. Work that was broken before is no reason to stop one.

Nothing is kept for it: what there was before is told by Nomad's own allocations, on machines that a roll replaces. So a
roll that was killed and is repeated judges as the first run did.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from hashistack.ops.api.attempts import Attempt, parent
from hashistack.ops.api.nomad import Nomad
from hashistack.ops.api.placed import Placed
from hashistack.ops.readiness import smoke
from hashistack.ops.rollout.clock import Clock
from hashistack.ops.rollout.failed_moves import FailedMove, failed_moves, title
from hashistack.ops.rollout.fleet import Fleet
from hashistack.ops.rollout.ignored_jobs import VARIABLE
from hashistack.ops.rollout.observer import Observation

STEADY_SECONDS = 600.0
"""A task that has not ended by itself for so long was well again, however it began."""
RESTARTS = 2
"""Restarts within that time that make a crash loop; a single one may be a passing fault."""

BROKEN = "broken before this roll, which does not stop for it"

REMEDY = (
    "nomad job status and nomad alloc logs say why; mend the job or the configuration, then repeat. To go on although "
    f"a job fails: --ignore-job NAMESPACE/JOB, with pulumi {VARIABLE}=NAMESPACE/JOB"
)


@dataclass(frozen=True)
class Verdict:
    """worse: it was well before. because: what to add to the failure, "" where that says all."""

    worse: bool
    because: str = ""


def broken(attempt: Attempt, now: float) -> bool | None:
    """Whether an allocation did not do its work when it was last seen; None while nobody knows."""
    if attempt.status == "failed" or attempt.healthy is False:
        return True
    end = attempt.ended or now
    if sum(end - at < STEADY_SECONDS for at in attempt.restarts) >= RESTARTS:
        return True
    well = attempt.healthy or (attempt.kind == "batch" and attempt.status in ("running", "complete"))
    return False if well else None


def judge(move: FailedMove, before: Sequence[Attempt], now: float) -> Verdict:
    """How work that fails did `before`: its own allocations first, then those of its group. Newest come first.

    Where the same version has been tried before, that decides. Work of which nothing is known is new.
    """
    slot = _slot(move.name, move.job)
    own = [one for one in before if _slot(one.name, one.job) == slot]
    group = [one for one in before if _group(_slot(one.name, one.job)) == _group(slot)]
    for tries in ([one for one in own if one.version == move.version], own, group):
        for one in tries:
            if (was := broken(one, now)) is None:
                continue
            if was:
                return Verdict(False, f"{BROKEN}: it failed on {one.node} too")
            changed = one.version != move.version and parent(move.job) == move.job
            return Verdict(True, _deploy(move, one) if changed else "")
    return Verdict(False, "it did not run before this roll, which does not stop for it")


def broken_now(placed: Iterable[Placed], restarted: Iterable[Attempt], fleet: Fleet, now: float) -> list[str]:
    """Jobs with work that is broken on machines that a roll replaces, as `namespace/job`, sorted."""
    old = {machine.name for pool in fleet.pools for machine in pool.machines if pool.outdated(machine)}
    loops = {one.id for one in restarted if broken(one, now)}
    newest: dict[tuple[str, str], Placed] = {}
    for one in sorted(placed, key=lambda one: one.created):
        newest[one.namespace, one.name] = one
    ill = (one for one in newest.values() if one.over or one.healthy is False or one.id in loops)
    return sorted({title(one.namespace, one.job) for one in ill if one.node in old})


class Regressions:
    """Judges failing work as it is seen, each once, and warns of what does not stop the roll.

    ignored: jobs (`namespace/job`) whose failures stop nothing.
    """

    def __init__(self, nomad: Nomad, clock: Clock, ignored: Collection[str], warn: Callable[[str], None]) -> None:
        self._nomad, self._clock, self._ignored, self._warn = nomad, clock, ignored, warn
        self._began = clock.now()
        self._verdicts: dict[tuple[str, str, int], Verdict] = {}

    def look(self, seen: Observation) -> list[str]:
        """What fails on new machines and was well before, a line each.

        Raises:
            ApiError: Nomad does not tell what was before.
        """
        pools = [pool for pool in seen.fleet.pools if pool.role == "client"]
        new = {machine.name for pool in pools for machine in pool.machines if not pool.outdated(machine)}
        lines = []
        for move in failed_moves(seen, self._began, self._clock.now()):
            verdict = self._verdict(move, lambda one: one.node not in new)
            if verdict.worse:
                lines.append(f"{move}; {verdict.because}" if verdict.because else str(move))
        return lines

    def settled(self, name: str, moved: Collection[str], seen: Observation) -> bool:
        """Whether the work that left a machine is in service, or will not be because it was not before.

        moved: ids of the allocations that took its allocations' place. Where one has failed, the newest of its name
        counts. The smoke job is nobody's work; a new machine may have to find Vault before it runs there.
        """
        left = {(one.namespace, one.name) for one in seen.placed if one.id in moved and one.job != smoke.JOB}
        newest: dict[tuple[str, str], Placed] = {}
        for one in sorted(seen.placed, key=lambda one: one.created):
            if (one.namespace, one.name) in left:
                newest[one.namespace, one.name] = one
        return all(one.settled or self._excused(one, name) for one in newest.values())

    def _excused(self, one: Placed, name: str) -> bool:
        move = FailedMove(one.namespace, one.job, one.name, one.version, one.node, "does not come up")
        if one.status != "failed" and one.healthy is not False:
            known = self._verdicts.get(_key(move))
            return known is not None and not known.worse
        return not self._verdict(move, lambda before: before.node == name).worse

    def _verdict(self, move: FailedMove, before: Callable[[Attempt], bool]) -> Verdict:
        if (known := self._verdicts.get(_key(move))) is not None:
            return known
        if title(move.namespace, move.job) in self._ignored:
            verdict = Verdict(False, "this job is ignored")
        else:
            history = self._nomad.history(move.namespace, move.job)
            verdict = judge(move, [one for one in history if before(one)], self._clock.now())
        self._verdicts[_key(move)] = verdict
        if not verdict.worse:
            self._warn(f"{move}: {verdict.because}")
        return verdict


def stopped(worse: Sequence[str]) -> str:
    """The text of a roll that stops for work that it made worse; `REMEDY` is what to do."""
    return "\n".join(
        (
            "work does not come up on the new machines, so the rollout stops here; the old machines take work again:",
            *(f"  {line}" for line in worse),
        )
    )


def _deploy(move: FailedMove, one: Attempt) -> str:
    back = f"nomad job revert {'' if move.namespace == 'default' else f'-namespace={move.namespace} '}"
    return (
        f"its version {one.version} was well on {one.node}, and version {move.version} was deployed since: that change "
        f"may be the cause. To take it back: {back}{move.job} {one.version}"
    )


def _key(move: FailedMove) -> tuple[str, str, int]:
    return move.namespace, move.name, move.version


def _slot(name: str, job: str) -> str:
    """`group[index]`: the same for all runs of a periodic job."""
    return name.removeprefix(f"{job}.")


def _group(slot: str) -> str:
    return slot.rpartition("[")[0]
