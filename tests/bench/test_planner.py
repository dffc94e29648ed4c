"""The look at a large cluster, over simulated APIs."""

from __future__ import annotations

import pytest

from bench import planner
from bench.simulated import simulated
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.rollout.observer import Observer


@pytest.mark.parametrize(("allocations", "pages"), [(0, 1), (5_000, 1), (5_001, 2), (12_000, 3)])
def test_a_look_takes_a_call_for_each_page_of_allocations_and_none_for_a_machine(allocations: int, pages: int) -> None:
    with simulated(200, allocations) as address:
        with Cluster(planner.connection(address, 200)) as cluster:
            seen = Observer(cluster, planner.Listed(200)).look()  # type: ignore[arg-type]
        asked = planner.calls(address)
    assert asked.pop("/nomad/v1/allocations") == pages
    assert sum(asked.values()) == planner.FIXED_CALLS
    (servers, clients) = seen.fleet.pools
    assert {machine.state for machine in (*servers.machines, *clients.machines)} == {"healthy"}
    assert sum(machine.work for machine in clients.machines) == len(seen.placed) == allocations
