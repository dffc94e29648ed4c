"""What a rollout concludes from a look at the cluster: work that fails where it was moved, single jobs, versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hashistack.ops.api.connection import Connection
from hashistack.ops.api.connection import Pool as DeclaredPool
from hashistack.ops.api.nodes import Node
from hashistack.ops.api.placed import Placed
from hashistack.ops.rollout.disruptions import disruptions, homeless, losing
from hashistack.ops.rollout.failed_moves import DECIDED_SECONDS, failed_moves
from hashistack.ops.rollout.fleet import Fleet, Machine, Pool
from hashistack.ops.rollout.observer import Observation
from hashistack.ops.rollout.upgrade import intended, steps_to

BEGAN = 1000.0
OLD = Machine("web-1", "old", eligible=False, draining=True, work=1)
NEW = Machine("web-9c4e", "now")
FLEET = Fleet((Pool("server", "server", 3, "now"), Pool("web", "client", 1, "now", machines=(OLD, NEW))))


def placed(**more: Any) -> Placed:
    usual = {"id": "1", "name": "api.api[0]", "node": NEW.name, "namespace": "default", "job": "api", "kind": "service"}
    usual |= {"status": "running", "over": False, "healthy": None, "created": BEGAN + 1}
    return Placed(**{**usual, **more})


def seen(*found: Placed, fleet: Fleet = FLEET) -> Observation:
    return Observation(fleet, placed=found)


NOW = BEGAN + 60
FAILED = placed(status="failed", over=True, again=True)
FINAL = placed(status="failed", over=True, healthy=False, changed=NOW - DECIDED_SECONDS)


def said(*found: Placed, fleet: Fleet = FLEET) -> list[str]:
    return [str(move) for move in failed_moves(seen(*found, fleet=fleet), BEGAN, NOW)]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ((placed(healthy=False),), "default/api: api.api[0] is unhealthy on web-9c4e"),
        ((FAILED, FAILED), "default/api: api.api[0] failed 2 times on web-9c4e"),
        ((FINAL,), "default/api: api.api[0] failed on web-9c4e"),
    ],
    ids=["runs and is unhealthy", "failed twice", "failed, and Nomad does not try again"],
)
def test_work_that_does_not_come_up_is_told(found: tuple[Placed, ...], told: str) -> None:
    assert said(*found) == [told]


@pytest.mark.parametrize(
    "found",
    [
        (placed(),),
        (placed(healthy=True),),
        (FAILED,),
        (replace(FAILED, healthy=False),),
        (replace(FINAL, changed=NOW),),
        (FAILED, FAILED, placed(healthy=True)),
        (placed(healthy=False, created=BEGAN - 1),),
        (placed(healthy=False, node=OLD.name),),
        (placed(healthy=False, kind="system"),),
        (FAILED, replace(FAILED, namespace="team-a")),
    ],
    ids=[
        "starts",
        "well",
        "one failure",
        "one failure in a migration, and Nomad tries again",
        "failed just now: Nomad has yet to decide",
        "well at last",
        "from before",
        "on an old machine",
        "a system job",
        "one failure each of two namespaces' jobs",
    ],
)
def test_other_work_is_not(found: tuple[Placed, ...]) -> None:
    assert said(*found) == []


def test_without_an_old_machine_there_is_nothing_to_go_back_to() -> None:
    idle = Fleet((Pool("web", "client", 1, "now", machines=(NEW,)),))
    assert said(placed(healthy=False), fleet=idle) == []


def test_jobs_with_one_allocation_on_an_old_machine_are_named() -> None:
    found = [
        placed(node=OLD.name, name="api.api[0]"),
        placed(node=OLD.name, name="pair.pair[0]"),
        placed(node=NEW.name, name="pair.pair[1]"),
        placed(node=NEW.name, name="elsewhere.web[0]"),
        placed(node=OLD.name, name="report.report[0]", kind="batch"),
        placed(node=OLD.name, name="gone.gone[0]", over=True),
    ]
    assert disruptions(found, FLEET) == ["default/api.api"]


DECLARED = {"nomad": "1.10.5", "consul": "1.21.0", "vault": "1.21.2", "cni": "1.9.0"}


def test_all_that_stands_against_other_versions_is_told_at_once() -> None:
    assert steps_to(DECLARED, {"nomad": "1.11.3", "consul": "1.22.3"}) == []
    assert steps_to(DECLARED, {"cni": "1.12.0", "nomad": "1.12.0", "vault": "1.21.0"}) == [
        "cni 1.12.0 is not in the catalog. Known: 1.9.0.",
        "vault 1.21.2 -> 1.21.0: Vault cannot be downgraded. Keep the version; going back means restoring the snapshot"
        " from before, with the old version.",
    ]


def test_any_release_that_is_a_step_away_can_be_gone_to_and_nothing_else() -> None:
    assert steps_to(DECLARED, {"nomad": "1.11.9"}) == []
    assert steps_to(DECLARED, {"nomad": "newest"}) == ["nomad newest is no version. Write three numbers: nomad=1.11.3."]
    assert steps_to(DECLARED, {"nomad": "2.0.4"}) == []  # by more than one hop
    assert steps_to(DECLARED, {"nomad": "3.0.0"}) == [
        "nomad 1.10.5 -> 3.0.0: Nomad 1.10 to 3.0 is not a step that is known here. Keep the major release."
    ]


@pytest.mark.parametrize(
    ("to", "changed"),
    [
        ({}, set()),
        ({"vault": "1.21.2"}, {"server"}),
        ({"cni": "1.9.0"}, {"web"}),
        ({"nomad": "1.11.3"}, {"server", "web"}),
    ],
)
def test_versions_change_the_pools_that_they_are_on(to: dict[str, str], changed: set[str]) -> None:
    after = intended(FLEET, to)
    assert {pool.name for pool in after.pools if pool.bundle != "now"} == changed


JOBS = {
    ("default", "old"): "workers",
    ("team", "old"): "workers",
    ("default", "smoke"): "workers",
    ("default", "new"): "default",
    ("default", "any"): "all",
    ("default", "own"): "batch",
    ("default", "never ran"): "nowhere",
}


@pytest.mark.parametrize(
    ("node_pool", "said"),
    [("default", ["default/old (workers)", "team/old (workers)"]), ("workers", [])],
    ids=["clients are in the default node pool now", "the pool keeps its node pool"],
)
def test_jobs_whose_node_pool_goes_are_named(connection: Connection, node_pool: str, said: list[str]) -> None:
    pools = (
        DeclaredPool("server", "server", 3),
        DeclaredPool("workers", "client", 2, node_pool=node_pool),
        DeclaredPool("batch", "client", 1, node_pool="batch"),
    )
    declared = replace(connection, pools=pools)
    nodes = [Node(name, name, name, name, "ready", True, False) for name in ("workers", "batch")]

    def said_of(bundle: str, count: int = 1) -> list[str]:
        old = (Machine("workers", "old"),), (Machine("batch", "now"),)
        fleet = Fleet(
            (
                Pool("workers", "client", count, bundle, machines=old[0]),
                Pool("batch", "client", 1, "now", machines=old[1]),
            )
        )
        return homeless(declared, fleet, nodes, JOBS)

    assert said_of("now") == said
    assert said_of("old") == []  # a heal rolls nothing
    assert said_of("old", count=0) == said  # the pool is declared no more
    # After the roll nothing is in that node pool any more: what asks for it is not the roll's business.
    assert homeless(declared, Fleet(()), nodes[1:], JOBS) == []


def test_jobs_and_volumes_whose_data_goes_with_a_machine_are_named() -> None:
    nodes = {name: Node(f"id-{name}", name, "default", "web", "ready", True, False) for name in (OLD.name, NEW.name)}
    found = (
        placed(node=OLD.name, job="store"),
        placed(node=OLD.name, job="night/periodic-17", kind="batch"),
        placed(node=OLD.name, job="ended", over=True),
        placed(node=OLD.name, job="stateless"),
        placed(job="elsewhere"),
    )
    look = replace(seen(*found), nodes=nodes)
    writers = {("default", job) for job in ("store", "night/periodic-17", "ended", "elsewhere")} | {("t", "stateless")}
    volumes = {"id-web-1": ("default/data",), f"id-{NEW.name}": ("default/stays",)}
    assert losing(look, FLEET, writers, volumes) == [
        "default/data (volume on web-1)",
        "default/night",
        "default/store",
    ]
    assert losing(look, Fleet(()), writers, volumes) == []
