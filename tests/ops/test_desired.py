"""Declared pools beside what the platform lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hashistack.ops.api.connection import Connection, Endpoint, Pool
from hashistack.ops.rollout.desired import listed
from hashistack.ops.rollout.driver import Instance
from hashistack.ops.rollout.plan import plan

NOWHERE = Endpoint("https://127.0.0.1:1", "")
CONNECTION = Connection(
    *("c", "local", "dc1", "global", "", "", ""),
    nomad=NOWHERE,
    consul=NOWHERE,
    vault=NOWHERE,
    pools=(Pool("server", "server", 3, "b1"), Pool("web", "client", 2, "b2")),
)
SERVERS = tuple(Instance(f"server-{n}", "server", "b1", "running") for n in (1, 2, 3))
WEB = tuple(Instance(f"web-{n}", "web", "b2", "running") for n in (1, 2))


class Platform:
    """A platform that only lists. scaled: what something else has made of a pool."""

    def __init__(self, *instances: Instance, scaled: int = 0) -> None:
        self.found, self.scaled = instances, scaled

    def size(self, pool: Pool) -> int:
        return max(pool.count, self.scaled) if pool.role == "client" else pool.count

    def instances(self) -> tuple[Instance, ...]:
        return self.found

    def check(self, pool: str) -> None:
        raise AssertionError

    def grow(self, pool: str, count: int) -> tuple[str, ...]:
        raise AssertionError

    def terminate(self, names: Sequence[str]) -> None:
        raise AssertionError

    discard = terminate

    def vault_init(self) -> str:
        raise AssertionError

    def keep_vault_init(self, document: str) -> None:
        raise AssertionError

    def evidence(self, name: str) -> str:
        raise AssertionError


def changes(*instances: Instance, roll: bool = True) -> dict[str, str]:
    return {change.pool: change.why for change in plan(listed(CONNECTION, Platform(*instances), roll)).pools}


def test_what_is_as_declared_changes_nothing() -> None:
    assert changes(*SERVERS, *WEB) == {}


def test_lost_stopped_terminated_and_outdated_machines_are_named_by_pool() -> None:
    assert changes(*SERVERS[1:], *WEB) == {"server": "1 missing"}
    assert changes(*SERVERS, WEB[0], replace(WEB[1], state="stopped")) == {"web": "1 stopped"}
    assert changes(*SERVERS, WEB[0], replace(WEB[1], state="terminated")) == {"web": "1 missing, 1 terminated"}
    assert changes(*SERVERS, WEB[0], replace(WEB[1], bundle="b0")) == {"web": "1 of 2 outdated (b0 -> b2)"}


def test_what_autoscaling_has_added_is_wanted_too() -> None:
    more = tuple(Instance(f"web-{n}", "web", "b2", "running") for n in (1, 2, 3, 4))
    assert plan(listed(CONNECTION, Platform(*SERVERS, *more, scaled=4))).pools == ()
    assert changes(*SERVERS, *more) == {"web": "2 surplus"}


def test_without_a_roll_an_outdated_machine_is_as_good_as_any() -> None:
    assert changes(*SERVERS, WEB[0], replace(WEB[1], bundle="b0"), roll=False) == {}
    assert changes(*SERVERS, replace(WEB[1], bundle="b0"), roll=False) == {"web": "1 missing"}


def test_a_roll_that_stopped_half_way_keeps_what_it_has_too_many_of() -> None:
    old = tuple(replace(machine, bundle="b0") for machine in WEB)
    assert changes(*SERVERS, *old, replace(WEB[0], name="web-9c4e"), roll=False) == {}
    assert changes(*SERVERS, *WEB, replace(WEB[0], name="web-9c4e"), roll=False) == {"web": "1 surplus"}


def test_machines_of_a_pool_that_is_declared_no_more_are_to_go() -> None:
    assert changes(*SERVERS, *WEB, Instance("batch-1", "batch", "b3", "running")) == {"batch": "1 surplus"}
