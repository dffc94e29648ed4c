"""Whether a roll made failing work worse: judged from what Nomad remembers of it."""

from __future__ import annotations

from typing import Any

import pytest

from hashistack.ops.api.attempts import Attempt
from hashistack.ops.api.placed import Placed
from hashistack.ops.rollout.failed_moves import FailedMove
from hashistack.ops.rollout.fleet import Fleet, Machine, Pool
from hashistack.ops.rollout.regressions import STEADY_SECONDS, Verdict, broken, broken_now, judge

NOW = 100_000.0


def attempt(**more: Any) -> Attempt:
    usual = {"id": "1", "name": "api.api[0]", "node": "web-1", "job": "api", "kind": "service", "version": 3}
    usual |= {"status": "running", "healthy": True, "created": NOW - 9000}
    return Attempt(**{**usual, **more})


def move(**more: Any) -> FailedMove:
    usual = {"namespace": "default", "job": "api", "name": "api.api[0]", "version": 3, "node": "web-9", "how": "failed"}
    return FailedMove(**{**usual, **more})


AGO = tuple(NOW - seconds for seconds in (50, 40, 30))


@pytest.mark.parametrize(
    ("one", "was"),
    [
        (attempt(), False),
        (attempt(status="complete"), False),
        (attempt(status="lost"), False),
        (attempt(status="failed"), True),
        (attempt(healthy=False), True),
        (attempt(restarts=AGO), True),
        (attempt(restarts=AGO[:1]), False),
        (attempt(restarts=tuple(at - STEADY_SECONDS for at in AGO)), False),
        (attempt(restarts=tuple(at - 7000 for at in AGO), ended=NOW - 7000), True),
        (attempt(healthy=None, status="pending"), None),
        (attempt(healthy=None, status="pending", restarts=AGO), True),
        (attempt(kind="batch", healthy=None), False),
        (attempt(kind="batch", healthy=None, status="complete"), False),
        (attempt(kind="batch", healthy=None, status="pending"), None),
    ],
)
def test_how_an_allocation_did(one: Attempt, was: bool | None) -> None:
    assert broken(one, NOW) is was


def worse(*before: Attempt, **moved: Any) -> bool:
    return judge(move(**moved), before, NOW).worse


def test_the_newest_of_its_own_allocations_decides() -> None:
    assert worse(attempt())
    assert not worse(attempt(status="failed"), attempt())
    assert worse(attempt(), attempt(status="failed"))
    assert worse(attempt(status="pending", healthy=None), attempt())


def test_one_of_several_allocations_may_have_been_broken_alone() -> None:
    before = (attempt(name="api.api[1]", status="failed"), attempt())
    assert worse(*before)
    assert not worse(*before, name="api.api[1]")


def test_an_allocation_that_was_not_there_before_goes_by_its_group() -> None:
    assert worse(attempt(name="api.api[0]"), name="api.api[5]")
    assert not worse(attempt(name="api.api[0]", healthy=False), name="api.api[5]")
    assert not worse(attempt(name="api.other[0]"), name="api.api[5]")


def test_what_did_not_run_before_is_not_made_worse() -> None:
    verdict = judge(move(), [], NOW)
    assert verdict == Verdict(False, "it did not run before this roll, which does not stop for it")


def test_a_run_of_a_periodic_job_goes_by_the_runs_before_it() -> None:
    before = attempt(job="report/periodic-1", name="report/periodic-1.main[0]", kind="batch", healthy=None)
    now = {"job": "report/periodic-2", "name": "report/periodic-2.main[0]"}
    assert judge(move(**now), [before], NOW) == Verdict(True)
    assert not worse(attempt(**{**vars(before), "status": "failed"}), **now)


def test_a_change_of_the_job_itself_is_named_as_the_likely_cause() -> None:
    verdict = judge(move(version=4, namespace="team-a"), [attempt()], NOW)
    assert verdict.worse
    assert "its version 3 was well on web-1, and version 4 was deployed since" in verdict.because
    assert "nomad job revert -namespace=team-a api 3" in verdict.because
    assert "nomad job revert api 3" in judge(move(version=4), [attempt()], NOW).because


def test_a_version_that_failed_on_old_machines_too_is_not_the_rolls() -> None:
    assert not worse(attempt(version=4, status="failed"), attempt(), version=4)
    assert worse(attempt(version=4), attempt(status="failed"), version=4)


def test_jobs_that_are_broken_now_on_machines_that_go_are_named_before_anything_changes() -> None:
    fleet = Fleet((Pool("web", "client", 1, "new", machines=(Machine("web-1", "old"), Machine("web-9", "new"))),))

    def placed(id: str, job: str, **more: Any) -> Placed:
        usual = {"id": id, "name": f"{job}.x[0]", "node": "web-1", "namespace": "default", "job": job}
        usual |= {"kind": "service", "status": "running", "over": False, "healthy": True, "created": NOW - 100}
        return Placed(**{**usual, **more})

    found = [
        placed("1", "well"),
        placed("2", "ill", healthy=False),
        placed("3", "failing", status="failed", over=True, healthy=False),
        placed("4", "loops"),
        placed("5", "cured", status="failed", over=True),
        placed("6", "cured", created=NOW - 50),
        placed("7", "elsewhere", healthy=False, node="web-9"),
        placed("8", "report/periodic-77", namespace="team-a", status="failed", over=True, healthy=None),
    ]
    loops = [attempt(id="4", restarts=AGO), attempt(id="1", restarts=AGO[:1])]
    assert broken_now(found, loops, fleet, NOW) == ["default/failing", "default/ill", "default/loops", "team-a/report"]
