"""The job under load moves as it must for no request to be lost."""

from __future__ import annotations

from bench.web_job import SHUTDOWN_DELAY_SECONDS, job

SECOND = 10**9


def test_an_allocation_leaves_consul_before_it_ends_and_those_of_a_machine_move_together() -> None:
    (group,) = job("dc1", "global")["TaskGroups"]
    assert group["ShutdownDelay"] == SHUTDOWN_DELAY_SECONDS * SECOND
    assert group["Migrate"]["MaxParallel"] == 2
    assert group["Migrate"]["HealthCheck"] == "checks"
    assert group["Count"] == 4
    (service,) = group["Services"]
    assert service["Name"] == "web"
    assert service["Checks"][0]["Interval"] == SECOND


def test_no_machine_has_more_than_two() -> None:
    (constraint,) = job("dc1", "global")["Constraints"]
    assert constraint == {"Operand": "distinct_property", "LTarget": "${node.unique.id}", "RTarget": "2"}
