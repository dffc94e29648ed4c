"""Readiness: the list, and the waiting for it."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import replace

import pytest

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection, Pool
from hashistack.ops.api.http import ApiError
from hashistack.ops.api.nodes import Node
from hashistack.ops.readiness.checks import (
    TICK_SECONDS,
    Check,
    NotReady,
    Result,
    Update,
    missing_drivers,
    readiness,
    wait,
)


def test_sentences_name_what_is_declared(connection: Connection) -> None:
    sentences = [check.sentence for check in readiness(connection)]
    assert sentences[0] == "1 Consul servers agree on a leader"
    assert "1 Nomad clients are ready and eligible" in sentences
    assert sentences[-1] == "a job that reads a Vault secret answers under its .consul name"
    assert len(readiness(connection, smoke=False)) == len(sentences) - 1


def test_a_check_waits_only_for_sentences_of_the_same_list(connection: Connection) -> None:
    checks = readiness(connection)
    known = {check.sentence for check in checks}
    assert all(set(check.after) <= known for check in checks)


def test_real_products_come_ready_and_the_ill_machine_is_named(connection: Connection) -> None:
    updates: list[Update] = []
    with Cluster(connection) as cluster:
        with pytest.raises(NotReady) as raised:
            wait(cluster, readiness(connection, smoke=False), 8, updates.append)
        told = {update.sentence: update.detail for update in updates if update.done}
        assert told["1 Consul servers agree on a leader"] == "1/1 voters, leader server-1"
        assert told["Vault is initialised and active"] == "active"
        assert told["1 Vault servers are unsealed and vote"] == "1/1 voters, leader server-1"
        assert told["1 Nomad clients are ready and eligible"] == "web 1/1"
        # the machine's own check was never pushed: it is late, and called by name
        assert [sentence for sentence, _ in raised.value.missing] == ["2 machines call themselves healthy"]
        assert "0/2, server-1: " in str(raised.value)
        waiting = [update for update in updates if not update.done]
        assert any(update.sentence == "2 machines call themselves healthy" for update in waiting)


def test_news_in_order_and_never_silent(connection: Connection) -> None:
    gate = threading.Event()
    updates: list[tuple[float, Update]] = []
    began = time.monotonic()

    def slow(cluster: Cluster) -> Result:
        if not gate.wait(TICK_SECONDS * 1.5):  # a probe that hangs must not silence the ticks
            return Result(False, "hangs")
        return Result(True, "let go")

    tried: list[str] = []

    def flaky(cluster: Cluster) -> Result:
        tried.append("x")
        if len(tried) < 3:
            raise ApiError("nomad", "GET", "/v1/nodes", 500, "No cluster leader")
        return Result(True, "third time")

    checks = [
        Check("slow", slow),
        Check("flaky", flaky),
        Check("last", lambda _: Result(True, ""), ("slow",)),
    ]

    def note(update: Update) -> None:
        updates.append((time.monotonic() - began, update))
        if not update.done and update.seconds > 3:  # a tick, not the news that follows a sentence
            gate.set()

    with Cluster(connection) as cluster:
        wait(cluster, checks, 30, note)
    assert [u.sentence for _, u in updates if u.done] == ["flaky", "slow", "last"]
    assert [(u.done, u.sentence) for _, u in updates][:2] == [(True, "flaky"), (False, "slow")]
    assert [(u.done, u.sentence) for _, u in updates][-2:] == [(False, "last"), (True, "last")]
    times = [0.0, *(at for at, _ in updates)]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 5
    assert str(updates[0][1]) == "flaky: third time"
    assert str(updates[1][1]) == "waiting: slow: no answer yet"


def test_a_broken_probe_is_raised_not_waited_for(connection: Connection) -> None:
    def broken(cluster: Cluster) -> Result:
        raise KeyError("Servers")

    with Cluster(connection) as cluster, pytest.raises(KeyError):
        wait(cluster, [Check("broken", broken)], 30, lambda _: None)


def test_cancelling_ends_the_wait(connection: Connection) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with Cluster(connection) as cluster, pytest.raises(NotReady):
        wait(cluster, [Check("never", lambda _: Result(False, "no"))], 30, lambda _: None, cancelled)


@pytest.mark.parametrize(
    ("seen", "missing"),
    [
        ({"exec": "", "docker": ""}, []),
        ({"exec": "", "docker": "", "java": "no java"}, []),
        ({"exec": "", "docker": "failed to connect"}, ["docker (failed to connect)"]),
        ({"exec": ""}, ["docker (not detected)"]),
    ],
    ids=["all", "more", "ill", "none"],
)
def test_a_driver_that_nomad_cannot_use_is_missing(seen: dict[str, str], missing: list[str]) -> None:
    pool = Pool("web", "client", 1, drivers=("exec", "docker"))
    assert missing_drivers(pool, Node("1", "web-1", "default", "web", "ready", True, False, seen)) == missing


def test_a_client_without_its_pools_drivers_is_not_ready(connection: Connection) -> None:
    pools = tuple(replace(pool, drivers=("raw_exec", "docker")) for pool in connection.pools)
    with Cluster(replace(connection, pools=pools)) as cluster:
        check = next(one for one in readiness(connection) if "clients" in one.sentence)
        deadline = time.monotonic() + 30
        while "docker" not in (result := check.probe(cluster)).detail:
            assert time.monotonic() < deadline, result
            time.sleep(0.1)
    assert not result.done
    assert result.detail.startswith("web 0/1 (")
    assert "has no docker (not detected)" in result.detail


STEP_SECONDS = 0.3
PATIENCE = 0.8


def stepping(steps: list[int]) -> Check:
    """A sentence that comes one step nearer at a time, and is true after the last."""
    began = time.monotonic()

    def probe(cluster: Cluster) -> Result:
        seen = min(int((time.monotonic() - began) / STEP_SECONDS), len(steps) - 1)
        return Result(seen == len(steps) - 1, f"step {seen}", steps=steps[seen])

    return Check("it gets there", probe)


def test_what_gets_further_is_not_late(connection: Connection) -> None:
    with Cluster(connection) as cluster:
        took = wait(cluster, [stepping(list(range(9)))], PATIENCE, lambda _: None)
    assert took > 2 * PATIENCE


@pytest.mark.parametrize("steps", [[1] * 1000, [1, 2] * 500])
def test_what_stands_still_or_flaps_is_late(connection: Connection, steps: list[int]) -> None:
    with Cluster(connection) as cluster, pytest.raises(NotReady, match="without progress"):
        wait(cluster, [stepping(steps)], PATIENCE, lambda _: None)


def test_a_sentence_that_comes_true_is_progress_for_all(connection: Connection) -> None:
    began = time.monotonic()
    others = [
        Check(f"{number}", lambda _, at=number * 0.5: Result(time.monotonic() - began > at, ""))  # type: ignore[misc]
        for number in range(1, 5)
    ]
    with Cluster(connection) as cluster, pytest.raises(NotReady) as raised:
        wait(cluster, [Check("never", lambda _: Result(False, "no")), *others], PATIENCE, lambda _: None)
    assert [sentence for sentence, _ in raised.value.missing] == ["never"]
    assert time.monotonic() - began > 4 * 0.5 + PATIENCE


def test_looks_become_rarer_where_each_takes_long(connection: Connection) -> None:
    looks: list[float] = []

    def slow(cluster: Cluster) -> Result:
        looks.append(time.monotonic())
        time.sleep(0.5)  # what an API of a busy host takes
        return Result(len(looks) == 3, "")

    with Cluster(connection) as cluster:
        wait(cluster, [Check("slow", slow)], 30, lambda _: None)
    assert min(later - earlier for earlier, later in itertools.pairwise(looks)) >= 1.0
