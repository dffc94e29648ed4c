"""Which jobs a rollout is to ignore: given to a command, or by the environment to `pulumi up`."""

from __future__ import annotations

import pytest

from hashistack.ops.rollout.ignored_jobs import VARIABLE, JobNameInvalid, ignore, ignored_jobs


def test_what_a_command_gets_is_added_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "default/a, team-b/x/y")
    ignore(["default/c"])
    assert ignored_jobs() == {"default/a", "default/c", "team-b/x/y"}
    monkeypatch.delenv(VARIABLE)
    assert ignored_jobs() == frozenset()


def test_everything_that_is_no_job_is_told_at_once() -> None:
    with pytest.raises(JobNameInvalid) as refused:
        ignore(["web", "default/web", "/x", "a b/c"])
    assert str(refused.value).splitlines() == [
        "--ignore-job /x: is no job",
        "--ignore-job a b/c: is no job",
        "--ignore-job web: is no job",
        "Next: give NAMESPACE/JOB",
    ]


def test_the_variable_is_checked_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "web")
    with pytest.raises(JobNameInvalid, match=f"{VARIABLE} web: is no job"):
        ignored_jobs()
