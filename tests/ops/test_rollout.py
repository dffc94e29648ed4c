"""The rollout's loop against a simulated cluster: every branch, in milliseconds. Real ones: tests/cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hashistack.ops.api.http import ApiError
from hashistack.ops.api.lock import Locked
from hashistack.ops.api.policy import Policy
from hashistack.ops.api.raft import Peer
from hashistack.ops.rollout import executor
from hashistack.ops.rollout.disruptions import LOSING
from hashistack.ops.rollout.driver import DriverFailed
from hashistack.ops.rollout.events import MachineEvent, NoticeEvent, ResultEvent, RolloutEvent, StepEvent
from hashistack.ops.rollout.executor import SILENCE_SECONDS, TRANSFERS, RolloutFailed

from .simulation import NEW, OLD, PRODUCTS, Box, Killed, Nomad, Simulation, Work, refused


def quick(**policy: object) -> Policy:
    return Policy(**{"min_healthy_time": 10, "drain_deadline": 600, **policy})  # type: ignore[arg-type]


def new(box: Box) -> bool:
    return box.bundle == NEW


def old(box: Box) -> bool:
    return box.bundle == OLD


def as_declared(it: Simulation) -> None:
    """All machines are of the declared bundle and in service, and nothing else is listed anywhere."""
    servers, clients = it.wanted_servers or it.servers, max(it.wanted_clients or it.clients, it.scaled)
    assert len(it.named("server", it.bundle)) == len(it.named("server")) == servers
    assert len(it.named("web", it.bundle)) == len(it.named("web")) == clients
    assert all(sorted(it.voters[product]) == sorted(it.named("server")) for product in PRODUCTS)
    assert {box.name for box in it.nodes.values()} == set(it.named("web"))
    assert set(it.catalog) == set(it.boxes)
    assert all(box.eligible and not box.draining for box in it.nodes.values())
    assert it.lock_holder == ""


def web(**more: object) -> Work:
    return Work("web", count=4, **more)  # type: ignore[arg-type]


# A whole roll


def test_a_whole_roll_ends_as_declared_with_all_work_in_service() -> None:
    it = Simulation(jobs=[web()])
    before = set(it.boxes)
    outcome = it.roll()
    as_declared(it)
    assert not before & set(it.boxes)
    assert (outcome.replaced, outcome.waiting, outcome.changed) == (6, "", True)
    assert len(it.serving("web")) == 4
    assert it.quorum == {"consul": 2, "vault": 3}
    again = it.roll()
    assert (again.replaced, again.changed) == (0, False)
    assert it.ensured == 2  # once a run, also where no machine changes: the APIs' address may be what is lost


def test_it_tells_what_it_does_and_how_it_ended() -> None:
    it = Simulation()
    it.roll()
    first, *_, last = it.told
    assert isinstance(first, MachineEvent | RolloutEvent)
    assert isinstance(last, ResultEvent)
    assert (last.ok, last.replaced, last.text) == (True, 6, "all machines are as declared")
    steps = [event for event in it.told if isinstance(event, StepEvent)]
    begun = {event.text for event in steps if event.state == "begun"}
    assert begun == {event.text for event in steps if event.state == "done"}


def test_servers_go_one_at_a_time_and_before_the_clients() -> None:
    it = Simulation(jobs=[web()])
    it.roll()
    servers = [index for index, change in enumerate(it.done) if "server" in change]
    clients = [index for index, change in enumerate(it.done) if "web" in change]
    assert max(servers) < min(clients)
    assert [change for change in it.done if change.startswith("grow server")] == ["grow server 1"] * 3


def test_leadership_is_handed_to_a_server_that_stays_before_its_holder_goes() -> None:
    it = Simulation()
    for product in PRODUCTS:
        it.leaders[product] = it.named("server")[0]
    leader = it.leaders["nomad"]
    it.roll()
    gone = it.done.index(f"terminate {leader}")
    for product in ("nomad", "consul"):
        (moved,) = [index for index, change in enumerate(it.done) if change.startswith(f"transfer-{product}")]
        assert moved < gone
        assert it.done[moved].split()[1] in it.named("server", NEW)
    assert it.done[gone] == [change for change in it.done if change.startswith("terminate server")][-1]


def test_a_leader_that_no_one_takes_over_from_goes_all_the_same_after_some_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Simulation()
    tries = []

    def transfer(self: object, peer: Peer) -> None:
        tries.append(peer.name)
        raise ApiError("nomad", "PUT", "/v1/operator/raft/transfer-leadership", 500, "no")

    monkeypatch.setattr(Nomad, "transfer_leadership", transfer)
    leader = it.leaders["nomad"]
    it.roll()
    as_declared(it)
    assert f"terminate {leader}" in it.done
    assert len(tries) <= TRANSFERS * 3


# A machine that does not do its part


@pytest.mark.parametrize("pool", ["server", "web"])
def test_a_machine_that_does_not_boot_stops_it_with_evidence_and_costs_nothing(pool: str) -> None:
    it = Simulation(jobs=[web()], boots=lambda box: box.pool != pool)
    before = it.named(pool)
    with pytest.raises(RolloutFailed) as failed:
        it.roll()
    (fresh,) = set(it.named(pool)) - set(before)
    said = str(failed.value)
    assert f"{fresh} is not healthy after 120 s" in said
    assert f"the last words of {fresh}" in said
    assert "Next: " in said
    assert set(before) <= set(it.named(pool))
    assert not any(change.startswith(("terminate " + pool, "drain")) for change in it.done)
    result = it.told[-1]
    assert isinstance(result, ResultEvent)
    assert not result.ok
    assert [event for event in it.told if isinstance(event, StepEvent)][-1].state == "failed"
    # Mended, the same command goes on.
    it.lose(fresh)
    it.boots = lambda box: True
    it.roll()
    as_declared(it)


def test_a_machine_that_boots_late_is_waited_for_as_long_as_its_platform_says() -> None:
    it = Simulation(boot_seconds=14)
    with pytest.raises(RolloutFailed, match="not healthy after 14 s"):
        it.roll()
    it = Simulation(boot_seconds=40)
    it.roll()
    as_declared(it)


def test_one_that_falls_ill_later_is_late_as_well() -> None:
    it = Simulation(servers=1)

    def ill() -> None:
        for name in it.named("web", NEW)[:1]:
            it.boxes[name].serves = False
            it.down.add(name)

    it.later(90, ill)
    with pytest.raises(RolloutFailed, match=r"web-\d+ is not healthy after 120 s"):
        it.roll()


@pytest.mark.parametrize("pool", ["server", "web"])
def test_a_machine_that_does_not_leave_is_discarded_when_its_time_is_over_and_forgotten(pool: str) -> None:
    it = Simulation(leaves=lambda box: box.pool != pool)
    began = it.clock.time
    it.roll()
    as_declared(it)
    discarded = [change for change in it.done if change.startswith(f"discard {pool}")]
    assert len(discarded) == 3
    if pool == "server":  # whoever leaves without a word stays in Raft
        assert sum(change.startswith("forget-") for change in it.done) >= 3
    assert it.clock.time - began > it.leave_seconds


def test_a_drain_gets_its_deadline_before_its_machine_is_given_up() -> None:
    it = Simulation(clients=1, leaves=lambda box: box.pool == "server", policy=quick(max_kill_timeout=30.0))
    it.roll()
    leaving = [e.at for e in it.told if isinstance(e, MachineEvent) and e.pool == "web" and e.state == "leaving"]
    gone = [e.at for e in it.told if isinstance(e, MachineEvent) and e.pool == "web" and e.state == "gone"]
    assert gone[0] - leaving[0] >= 600 + 30 + it.leave_seconds


# Names without a machine


@pytest.mark.parametrize("roll", [True, False])
def test_lost_machines_are_replaced_and_what_is_left_of_them_is_forgotten(roll: bool) -> None:
    it = Simulation(jobs=[web()])
    it.bundle = OLD
    lost = [it.leaders["nomad"], it.named("web")[0]]
    for name in lost:
        it.lose(name)
    it.roll(roll=roll)
    as_declared(it)
    assert f"purge {lost[1]}" in it.done
    assert {f"forget-consul {name}" for name in lost} <= set(it.done)
    assert not any(change.startswith(("terminate", "drain", "discard")) for change in it.done)


def test_a_server_is_forgotten_only_when_enough_others_vote() -> None:
    it = Simulation()
    it.bundle = OLD
    lost = it.named("server")[0]
    it.lose(lost)
    it.roll()
    as_declared(it)
    assert it.done.index("grow server 1") < it.done.index(f"forget-nomad {lost}")


def test_machines_that_have_stopped_are_discarded() -> None:
    it = Simulation()
    it.bundle = OLD
    names = [it.named("server")[0], it.named("web")[0]]
    for name in names:
        it.stop(name)
    it.roll(roll=False)
    as_declared(it)
    assert {f"discard {name}" for name in names} <= set(it.done)


def test_a_heal_replaces_no_machine_of_another_bundle() -> None:
    it = Simulation(jobs=[web()])
    before = set(it.boxes)
    lost = it.named("web")[0]
    it.lose(lost)
    outcome = it.roll(roll=False)
    assert set(it.boxes) > before - {lost}
    assert len(it.named("web")) == 3
    assert (outcome.replaced, outcome.changed) == (0, True)


# Killed, cancelled, refused


def changes_of(it: Simulation) -> int:
    it.roll()
    return len(it.done)


def story() -> Simulation:
    return Simulation(servers=3, clients=2, jobs=[web()])


@pytest.mark.parametrize("kill_at", range(1, changes_of(story()) + 1))
def test_killed_before_any_change_the_next_run_goes_on_to_the_same_end(kill_at: int) -> None:
    it = story()
    it.kill_at = kill_at
    with pytest.raises(Killed):
        it.roll()
    it.kill_at = 0
    it.lock_holder = ""  # its time to live is over
    it.roll()
    as_declared(it)
    assert len(it.serving("web")) == 4


@pytest.mark.parametrize("seconds", [0.1, 20, 60, 100, 150])
def test_cancelled_it_stops_between_two_looks_says_so_and_lets_go_of_its_lock(seconds: float) -> None:
    it = story()
    it.later(seconds, it.cancelled.set)
    with pytest.raises(RolloutFailed, match=r"cancelled\. Repeating it goes on from here"):
        it.roll()
    assert it.lock_holder == ""
    result = it.told[-1]
    assert isinstance(result, ResultEvent)
    assert not result.ok
    changed = len(it.done)
    it.cancelled.clear()
    it.roll()
    assert len(it.done) > changed
    as_declared(it)


@pytest.mark.parametrize("verb", ["grow", "terminate", "drain", "cordon", "transfer-nomad"])
def test_an_error_of_the_platform_in_the_middle_is_told_and_the_next_run_goes_on(verb: str) -> None:
    it = Simulation(jobs=[web()])
    with refused(it, verb):
        if verb == "grow":
            it.later(30, lambda: None)
        with pytest.raises(DriverFailed, match=f"the platform refuses to {verb}"):
            it.roll()
    result = it.told[-1]
    assert isinstance(result, ResultEvent)
    assert (result.ok, verb in result.text) == (False, True)
    assert it.lock_holder == ""
    it.roll()
    as_declared(it)


def test_what_the_platform_would_not_make_is_refused_before_anything_changes() -> None:
    it = Simulation(policy=quick(max_surge=0, max_unavailable=1))
    with refused(it, "check"), pytest.raises(DriverFailed):
        it.roll()
    assert it.done == []
    assert it.quorum == {}


def test_a_lock_that_somebody_has_is_named_and_nothing_is_touched() -> None:
    it = Simulation()
    it.lock_holder = "a rollout by somebody@elsewhere"
    with pytest.raises(Locked, match="somebody@elsewhere"):
        it.roll()
    assert it.done == []
    assert it.told == []


def test_a_lock_that_is_lost_ends_it() -> None:
    it = Simulation()
    it.later(30, it.lock_lost.set)
    with pytest.raises(RolloutFailed, match="the lock of this rollout was lost"):
        it.roll()


@pytest.mark.parametrize("product", PRODUCTS)
def test_an_api_that_is_silent_for_a_moment_is_waited_for(product: str) -> None:
    it = Simulation()
    it.later(40, lambda: it.silent.add(product))
    it.later(40 + SILENCE_SECONDS / 2, lambda: it.silent.discard(product))
    it.roll()
    as_declared(it)


@pytest.mark.parametrize("product", PRODUCTS)
def test_one_that_stays_silent_ends_it(product: str) -> None:
    it = Simulation()
    it.later(40, lambda: it.silent.add(product))
    with pytest.raises(RolloutFailed, match=rf"{product}.*Repeating the same command goes on from here"):
        it.roll()
    it.silent.clear()
    it.roll()
    as_declared(it)


def test_cancelled_while_an_api_is_silent_it_does_not_wait_on() -> None:
    it = Simulation()
    it.silent.add("nomad")
    it.later(5, it.cancelled.set)
    with pytest.raises(RolloutFailed):
        it.roll()
    assert it.clock.time < 10_000 + SILENCE_SECONDS / 2


# Snapshots


def test_a_snapshot_comes_before_servers_change_and_not_for_clients(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    it = Simulation()
    taken: list[int] = []
    monkeypatch.setattr(executor, "save", lambda cluster, file, init: taken.append(len(it.done)))
    it.roll(snapshots=tmp_path)
    assert taken == [0]
    it.bundle = OLD
    for name in it.named("server"):
        it.boxes[name].bundle = OLD
    it.roll(snapshots=tmp_path)
    assert taken == [0]


def test_a_snapshot_that_fails_stops_it_before_any_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*what: object) -> None:
        raise ApiError("consul", "GET", "/v1/snapshot", 500, "no")

    it = Simulation()
    monkeypatch.setattr(executor, "save", fail)
    with pytest.raises(ApiError):
        it.roll(snapshots=tmp_path)
    assert it.done == []
    assert [event.state for event in it.told if isinstance(event, StepEvent)] == ["begun", "failed"]


# Sizes and pace


@pytest.mark.parametrize(("servers", "wanted"), [(3, 5), (5, 3), (1, 3)])
def test_another_number_of_servers_replaces_nobody(servers: int, wanted: int) -> None:
    it = Simulation(servers=servers, wanted_servers=wanted)
    it.bundle = OLD
    before = set(it.boxes)
    it.roll()
    as_declared(it)
    assert (before <= set(it.boxes)) == (wanted > servers)
    assert it.quorum == {"consul": wanted // 2 + 1, "vault": wanted}


@pytest.mark.parametrize(("clients", "wanted"), [(2, 5), (5, 2), (3, 0)])
def test_another_number_of_clients_moves_the_work_of_those_that_go(clients: int, wanted: int) -> None:
    it = Simulation(servers=1, clients=clients, wanted_clients=wanted, jobs=[web()] if wanted else [])
    it.bundle = OLD
    if not wanted:
        it.wanted_clients = 0
        it.clients = 0
    it.roll()
    as_declared(it)
    assert not wanted or len(it.serving("web")) == 4


def test_what_autoscaling_has_added_is_rolled_too_and_kept() -> None:
    it = Simulation(servers=1, clients=3, scaled=5)
    it.roll()
    as_declared(it)
    assert len(it.named("web")) == 5


@pytest.mark.parametrize(
    "policy",
    [
        quick(max_surge=0, max_unavailable=1),
        quick(max_surge=2, max_unavailable=1, canary=1),
        quick(max_surge=3, canary=2),
        quick(max_surge=0, max_unavailable=3),
    ],
    ids=["no surge", "surge and unavailable", "two canaries", "all at once"],
)
def test_policies_end_the_same(policy: Policy) -> None:
    it = Simulation(servers=1, clients=4, policy=policy, jobs=[web()])
    it.roll()
    as_declared(it)
    assert len(it.serving("web")) == 4


def test_at_the_applications_pace_nothing_is_drained_and_the_run_ends_until_they_have_moved() -> None:
    job = web()
    it = Simulation(servers=1, clients=2, policy=quick(pace="applications", max_surge=2), jobs=[job])
    it.clock.pass_until(it.clock.time + 10)
    outcome = it.roll()
    assert set(outcome.waiting.split(", ")) == set(it.named("web", OLD))
    assert not any(change.startswith(("drain", "terminate web")) for change in it.done)
    assert all(box.eligible == (box.bundle == NEW) for box in it.nodes.values())
    it.redeploy(job)
    it.clock.pass_until(it.clock.time + 10)
    assert it.roll().waiting == ""
    as_declared(it)


# Work that is moved


def test_work_that_does_not_come_up_stops_it_at_the_canary_and_the_old_machines_take_work_again() -> None:
    job = web(comes_up=old)
    it = Simulation(servers=1, clients=3, jobs=[job])
    it.clock.pass_until(it.clock.time + 10)
    before = it.named("web")
    with pytest.raises(RolloutFailed) as failed:
        it.roll()
    assert "work does not come up on the new machines" in str(failed.value)
    assert "default/web" in str(failed.value)
    assert set(before) <= set(it.named("web"))
    assert len(it.named("web", NEW)) == 1
    assert all(it.boxes[name].eligible and not it.boxes[name].draining for name in before)
    job.comes_up = lambda box: True
    it.roll()
    as_declared(it)
    assert len(it.serving("web")) == 4


def test_a_client_is_let_go_only_when_its_work_is_in_service_elsewhere() -> None:
    it = Simulation(servers=1, clients=1, jobs=[web()])
    it.clock.pass_until(it.clock.time + 10)
    (first,) = it.named("web")
    seen: list[int] = []
    terminate = it.terminate

    def watched(names: list[str]) -> None:
        if first in names:
            seen.append(len(it.serving("web")))
        terminate(names)

    it.terminate = watched  # type: ignore[method-assign,assignment]
    it.roll()
    assert seen == [4]


# Work that was broken before


def never(box: Box) -> bool:
    return False


BROKEN = {
    "fails and is tried again": Work("ill", comes_up=never),
    "fails for good": Work("ill", comes_up=never, again=False),
    "crash loop": Work("ill", loops=lambda box: True),
    "a batch job": Work("ill", kind="batch", comes_up=never),
    "one of two": Work("ill", count=2, comes_up=lambda box: False),
}


def warnings(it: Simulation) -> str:
    return "\n".join(event.text for event in it.told if isinstance(event, NoticeEvent))


@pytest.mark.parametrize("kind", BROKEN)
def test_work_that_was_broken_before_stops_no_roll(kind: str) -> None:
    it = Simulation(clients=2, jobs=[web(), replace(BROKEN[kind])])
    it.clock.pass_until(it.clock.time + 60)
    it.roll()
    as_declared(it)
    assert len(it.serving("web")) == 4
    assert "broken before this roll, which does not stop for it" in warnings(it)
    assert "default/ill" in warnings(it)


@pytest.mark.parametrize("kind", ["fails and is tried again", "crash loop"])
def test_nor_a_pool_that_is_made_smaller(kind: str) -> None:
    it = Simulation(clients=3, wanted_clients=1, jobs=[web(), replace(BROKEN[kind])])
    it.bundle = OLD
    it.clock.pass_until(it.clock.time + 60)
    it.roll(roll=False)
    as_declared(it)


@pytest.mark.parametrize("seconds", range(30, 150, 15))
def test_a_roll_that_was_killed_still_knows_what_was_broken_before_and_what_was_not(seconds: float) -> None:
    ill, picky = replace(BROKEN["crash loop"]), Work("picky", comes_up=old)
    it = Simulation(servers=1, clients=2, jobs=[ill, picky])
    it.clock.pass_until(it.clock.time + 60)

    def killed() -> None:
        it.kill_at = len(it.done) + 1

    it.later(seconds, killed)
    with pytest.raises((Killed, RolloutFailed)):
        it.roll()
    it.kill_at, it.lock_holder = 0, ""
    with pytest.raises(RolloutFailed) as failed:
        it.roll()
    assert "default/picky" in str(failed.value)
    assert "default/ill" not in str(failed.value)


def test_one_passing_failure_of_moved_work_stops_nothing_and_holds_nothing() -> None:
    failures: list[str] = []

    def at_the_second_try(box: Box) -> bool:
        if new(box) and not failures:
            failures.append(box.name)
            return False
        return True

    for job in ("smoke", "web"):
        failures.clear()
        it = Simulation(servers=1, clients=2, jobs=[Work(job, comes_up=at_the_second_try)])
        it.clock.pass_until(it.clock.time + 10)
        it.roll()
        as_declared(it)
        assert failures


def test_a_smoke_job_that_does_not_come_up_on_new_machines_stops_it_as_any_other() -> None:
    it = Simulation(servers=1, clients=2, jobs=[Work("smoke", comes_up=old)])
    it.clock.pass_until(it.clock.time + 10)
    with pytest.raises(RolloutFailed, match="default/smoke"):
        it.roll()


def test_a_deploy_during_the_roll_that_breaks_a_job_is_named_as_the_likely_cause() -> None:
    job = web()
    it = Simulation(servers=1, clients=2, jobs=[job])
    it.clock.pass_until(it.clock.time + 10)

    def deploy() -> None:
        job.comes_up = never
        job.version += 1

    it.later(50, deploy)
    with pytest.raises(RolloutFailed, match=r"version 1 was deployed since.*nomad job revert web 0"):
        it.roll()


def test_a_job_that_is_new_stops_nothing() -> None:
    it = Simulation(servers=1, clients=2, jobs=[web()])
    it.clock.pass_until(it.clock.time + 10)
    it.later(75, lambda: it.deploy(Work("fresh", comes_up=never)))
    it.roll()
    as_declared(it)
    assert "it did not run before this roll" in warnings(it)


def test_an_ignored_job_stops_nothing_and_one_that_does_not_exist_is_told() -> None:
    picky = Work("picky", comes_up=old, namespace="team-a")
    it = Simulation(servers=1, clients=2, policy=quick(drain_deadline=60), jobs=[web(), picky])
    it.clock.pass_until(it.clock.time + 10)
    it.roll(ignored={"team-a/picky", "default/wed"})
    as_declared(it)
    assert "team-a/picky: picky.picky[0] failed" in warnings(it)
    assert "this job is ignored" in warnings(it)
    assert "to be ignored, but no job of the cluster: default/wed" in warnings(it)


def test_an_api_that_is_silent_just_when_something_is_done_is_asked_again() -> None:
    it = Simulation(servers=1, jobs=[web()])
    silent: list[str] = []

    def once() -> None:
        if not silent:
            silent.append("drain")
            raise ApiError("nomad", "PUT", "/v1/node/x/drain", 500, "No cluster leader")

    it.fails["drain"] = once
    it.roll()
    as_declared(it)
    assert silent


@pytest.mark.parametrize("nth", range(1, 13))
def test_each_question_of_the_beginning_may_fail_once(nth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Nomad server that starts again, as in a rotation, fails what is asked through it for a moment."""
    it = Simulation(servers=1, jobs=[web()])
    asked, answer = 0, it.answer

    def once(product: str) -> None:
        nonlocal asked
        asked += 1
        if asked == nth:
            raise ApiError(product, "GET", "/v1/allocations", 500, "rpc error: failed to get conn")
        answer(product)

    monkeypatch.setattr(it, "answer", once)
    it.roll()
    as_declared(it)
    assert asked > nth


# Node pools


def test_the_node_pool_of_jobs_is_not_taken_away_under_them() -> None:
    it = Simulation(jobs=[web(node_pool="web"), Work("any", node_pool="all")], node_pool="web")
    before = set(it.boxes)
    with pytest.raises(RolloutFailed, match=r"nothing would run them: default/web \(web\)\. Next: give the pool"):
        it.roll()
    assert set(it.boxes) == before
    as_it_was = [box for box in it.boxes.values() if box.draining or not box.eligible]
    assert as_it_was == []


def test_a_job_that_is_ignored_keeps_no_node_pool() -> None:
    it = Simulation(jobs=[web(node_pool="web")], node_pool="web")
    it.roll(ignored=frozenset({"default/web"}))
    as_declared(it)


def test_data_on_a_machine_that_goes_stops_the_roll_before_it_begins() -> None:
    it = Simulation(jobs=[web(), Work("store", writes=True)])
    before = set(it.boxes)
    with pytest.raises(RolloutFailed, match=r"so are the data of: default/store\. Next: copy the data elsewhere"):
        it.roll()
    assert set(it.boxes) == before
    it.roll(roll=False)
    assert set(it.boxes) == before
    it.roll(ignored=frozenset({"default/store"}))
    as_declared(it)
    assert f"{LOSING}: default/store" in warnings(it)
    assert "default/web" not in warnings(it)


def test_a_heal_looks_at_no_node_pool() -> None:
    it = Simulation(jobs=[web(node_pool="web")], node_pool="web")
    it.roll(roll=False)
    assert all(old(box) for box in it.boxes.values())
