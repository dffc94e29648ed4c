"""From one release to another over more than one hop: each a roll of its own, none skipped, wherever it is killed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from hashistack.ops.api.policy import Policy
from hashistack.ops.rollout.fleet import Fleet, Machine, Pool
from hashistack.ops.rollout.plan import Plan, plan
from hashistack.ops.rollout.steps import Grow, Terminate
from hashistack.ops.rollout.upgrade import climb, hops

from .simulation import NEW, OLD, Killed, Simulation

DECLARED = {"nomad": "1.10.5", "consul": "1.21.0", "vault": "1.21.2", "cni": "1.9.0"}
BUNDLES = {"1.10.5": OLD, "1.11.3": NEW, "2.0.4": "57d0" + "0" * 60}
VERSIONS = {bundle: version for version, bundle in BUNDLES.items()}


@pytest.mark.parametrize(
    ("to", "way"),
    [
        ({}, ()),
        ({"nomad": "1.10.5"}, ()),
        ({"cni": "1.8.0"}, ({"cni": "1.8.0"},)),
        ({"nomad": "1.11.3", "vault": "1.21.2"}, ({"nomad": "1.11.3"},)),
        ({"nomad": "2.0.4"}, ({"nomad": "1.11.3"}, {"nomad": "2.0.4"})),
        (
            {"nomad": "2.0.4", "consul": "2.0.2", "vault": "2.0.3"},
            ({"nomad": "1.11.3", "consul": "1.22.3", "vault": "2.0.3"}, {"nomad": "2.0.4", "consul": "2.0.2"}),
        ),
    ],
)
def test_what_each_hop_changes(to: dict[str, str], way: tuple[dict[str, str], ...]) -> None:
    assert hops(DECLARED, to) == way


@dataclass
class Climbing(Simulation):
    """A cluster whose bundles are releases of Nomad; no machine may ever be two series away from another."""

    bundle: str = OLD
    hops: list[tuple[int, str]] = field(default_factory=list)

    def invariants(self) -> None:
        super().invariants()
        there = {VERSIONS[box.bundle] for box in self.boxes.values()}
        assert not {"1.10.5", "2.0.4"} <= there

    def upgrade(self) -> bool:
        def declare(number: int, hop: Mapping[str, str]) -> None:
            self.hops.append((number, hop["nomad"]))
            self.bundle = BUNDLES[hop["nomad"]]

        def behind() -> bool:
            return any(box.bundle != self.bundle for box in self.boxes.values())

        def converge() -> bool:
            return not self.roll().waiting

        return climb({"nomad": VERSIONS[self.bundle]}, {"nomad": "2.0.4"}, declare, behind, converge, converge)


def test_two_hops_are_two_whole_rolls() -> None:
    it = Climbing()
    assert it.upgrade()
    assert it.hops == [(1, "1.11.3"), (2, "2.0.4")]
    assert {box.bundle for box in it.boxes.values()} == {BUNDLES["2.0.4"]}


@pytest.mark.parametrize("kill_at", range(1, 26, 3))
def test_killed_anywhere_it_goes_on_and_no_machine_skips_a_series(kill_at: int) -> None:
    it = Climbing()
    it.kill_at = kill_at
    with pytest.raises(Killed):
        it.upgrade()
    it.kill_at, it.lock_holder = 0, ""
    assert it.upgrade()
    assert {box.bundle for box in it.boxes.values()} == {BUNDLES["2.0.4"]}
    assert [version for _, version in it.hops] == ["1.11.3", "2.0.4"]


def test_a_hop_does_not_begin_while_machines_wait_for_applications() -> None:
    declared: list[str] = []

    def declare(number: int, hop: Mapping[str, str]) -> None:
        declared.append(hop["nomad"])

    assert not climb({"nomad": "1.10.5"}, {"nomad": "2.0.4"}, declare, lambda: bool(declared), lambda: False, bool)
    assert declared == ["1.11.3"]


CLIENTS, SURGE = 10_000, 1_000


def grown(whole: Plan, pool: str) -> list[int]:
    """How many machines of a pool each round starts, of those that start some."""
    return [step.count for side in whole.rounds for step in side if isinstance(step, Grow) and step.pool == pool]


def test_ten_thousand_clients_go_up_two_series_in_two_whole_rolls() -> None:
    """The planner's whole roll of each hop, over a simulated fleet: every machine once, servers first, none ahead."""
    policy = Policy(max_surge=SURGE, canary=1)

    def pool(name: str, role: str, count: int) -> Pool:
        machines = tuple(Machine(f"{name}-{number}", "1.10.5", work=role == "client") for number in range(count))
        return Pool(name, role, count, "1.10.5", policy, machines)  # type: ignore[arg-type]

    fleet = Fleet((pool("server", "server", 3), pool("web", "client", CLIENTS)))
    rolled: list[tuple[str, Plan]] = []

    def declare(number: int, hop: Mapping[str, str]) -> None:
        nonlocal fleet
        fleet = replace(fleet, pools=tuple(replace(one, bundle=hop["nomad"]) for one in fleet.pools))

    def behind() -> bool:
        return any(one.outdated(machine) for one in fleet.pools for machine in one.machines)

    def converge() -> bool:
        nonlocal fleet
        rolled.append((fleet.pools[0].bundle, plan(fleet)))
        pools = (
            replace(one, machines=tuple(replace(machine, bundle=one.bundle) for machine in one.machines))
            for one in fleet.pools
        )
        fleet = replace(fleet, pools=tuple(pools))
        return True

    assert climb(DECLARED, {"nomad": "2.0.4"}, declare, behind, converge, converge)
    assert [version for version, _ in rolled] == ["1.11.3", "2.0.4"]
    for _, whole in rolled:
        assert whole.snapshot
        assert grown(whole, "server") == [1, 1, 1]
        assert sum(grown(whole, "web")) == CLIENTS
        assert len(grown(whole, "web")) == 1 + math.ceil((CLIENTS - 1) / SURGE)
        assert max(grown(whole, "web")) == whole.extra == SURGE
        gone = [name for side in whole.rounds for step in side if isinstance(step, Terminate) for name in step.machines]
        assert sorted(gone) == sorted(machine.name for one in fleet.pools for machine in one.machines)
        last_server = max(n for n, side in enumerate(whole.rounds) for step in side
                          if isinstance(step, Terminate) and step.pool == "server")  # fmt: skip
        first_client = min(n for n, side in enumerate(whole.rounds) for step in side
                           if isinstance(step, Grow) and step.pool == "web")  # fmt: skip
        assert last_server < first_client
