"""The planner: each rule by an example with a name; rolls of any fleet are in test_plan_rolls.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hashistack.ops.api.policy import Policy
from hashistack.ops.rollout.fleet import Fleet, Machine, Pool
from hashistack.ops.rollout.plan import next_steps, plan
from hashistack.ops.rollout.steps import (
    Await,
    AwaitGone,
    AwaitWork,
    Cordon,
    Delete,
    Drain,
    Grow,
    PruneMember,
    Start,
    Step,
    Terminate,
    Uncordon,
)

OLD, NEW = "3f2a" + "0" * 60, "91bc" + "0" * 60
APPLICATIONS = Policy(pace="applications")


def server(name: str, bundle: str = NEW, leads: str = "", **seen: object) -> Machine:
    return replace(Machine(name, bundle, leads=frozenset(leads.split())), **seen)  # type: ignore[arg-type]


def servers(*machines: Machine, count: int = 3, stale_members: tuple[str, ...] = ()) -> Fleet:
    return Fleet((Pool("server", "server", count, NEW, machines=machines),), stale_members)


def clients(*machines: Machine, count: int, policy: Policy | None = None, before: Fleet | None = None) -> Fleet:
    pool = Pool("web", "client", count, NEW, policy or Policy(), machines)
    return replace(before or Fleet(()), pools=(*(before.pools if before else ()), pool))


def some(count: int, bundle: str, first: int = 1, **seen: object) -> tuple[Machine, ...]:
    return tuple(server(f"web-{number}", bundle, **seen) for number in range(first, first + count))


def done(fleet: Fleet) -> list[tuple[type[Step], object]]:
    """The next steps without their reasons: the verb, and the machines or their number."""
    told = []
    for step in next_steps(fleet):
        assert step.why
        assert "\n" not in str(step)
        told.append((type(step), step.count if isinstance(step, Grow) else getattr(step, "machines", None)))
    return told


S1, S2, S3 = (server(f"server-{number}") for number in (1, 2, 3))
O1, O2, O3 = (server(f"server-{number}", OLD) for number in (1, 2, 3))
WANTED = servers(S1, S2, S3)
BOOTING: dict[str, object] = {"state": "booting", "healthy_seconds": 0}
ILL: dict[str, object] = {"state": "unhealthy", "healthy_seconds": 0}
LEAVING: dict[str, object] = {"state": "leaving"}
STOPPED: dict[str, object] = {"state": "stopped", "healthy_seconds": 0}
TERMINATED: dict[str, object] = {"state": "terminated"}


# Servers


def test_a_fleet_as_declared_has_nothing_to_do() -> None:
    fleet = clients(*some(3, NEW), count=3, before=WANTED)
    assert next_steps(fleet) == ()
    whole = plan(fleet)
    assert (whole.pools, whole.rounds, whole.extra, whole.snapshot, whole.waves) == ((), (), 0, False, 0)


def test_a_new_server_comes_before_an_outdated_one_goes() -> None:
    assert done(servers(O1, O2, O3)) == [(Grow, 1)]
    assert done(servers(O1, O2, O3, server("server-4"))) == [(Terminate, ("server-3",))]


def test_the_first_new_server_starts_as_soon_as_the_old_ones_are_well() -> None:
    young = [replace(old, healthy_seconds=1) for old in (O1, O2, O3)]
    assert done(servers(*young)) == [(Grow, 1)]
    assert done(servers(*young, server("server-4"))) == [(Await, ("server-1", "server-2"))]
    assert done(servers(*young[:2], server("server-4", healthy_seconds=1))) == [(Await, ("server-4",))]


@pytest.mark.parametrize("seen", [BOOTING, ILL, {"healthy_seconds": 3}], ids=["boots", "is ill", "is young"])
def test_nothing_goes_until_the_new_server_has_been_healthy_for_long_enough(seen: dict[str, object]) -> None:
    assert done(servers(O1, O2, O3, server("server-4", **seen))) == [(Await, ("server-4",))]


def test_while_a_server_leaves_the_next_new_one_boots_and_no_other_goes() -> None:
    leaving = server("server-3", OLD, **LEAVING)
    assert done(servers(O1, O2, server("server-4"), leaving)) == [(Grow, 1)]
    booting = server("server-5", **BOOTING)
    assert done(servers(O1, O2, server("server-4"), booting, leaving)) == [(Await, ("server-5",))]
    assert done(servers(O1, O2, server("server-4"), server("server-5"), leaving)) == [(AwaitGone, ("server-3",))]
    assert done(servers(S1, S2, server("server-4"), server("server-5"), leaving)) == [(AwaitGone, ("server-3",))]
    assert done(servers(S1, S2, server("server-4"), leaving)) == [(AwaitGone, ("server-3",))]


def test_the_server_that_leads_least_goes_first() -> None:
    leaders = [server("server-1", OLD, "nomad vault"), server("server-2", OLD), server("server-3", OLD, "consul")]
    assert done(servers(*leaders, server("server-4"))) == [(Terminate, ("server-2",))]
    last = servers(server("server-1", OLD, "nomad"), S2, S3, server("server-4"))
    (step,) = next_steps(last)
    assert isinstance(step, Terminate)
    assert str(step) == (
        "server: take away server-1: bundle 3f2a0000 -> 91bc0000;"
        " it leads nomad, so it goes last and its leadership is moved first"
    )


def test_the_reason_names_the_server_that_will_be_replaced() -> None:
    (step,) = next_steps(servers(S1, server("server-2", OLD, "nomad"), S3))
    assert str(step).startswith(
        "server: start 1 new machine: to replace server-2: bundle 3f2a0000 -> 91bc0000; it leads"
    )


def test_an_ill_outdated_server_is_replaced_first_and_blocks_nothing() -> None:
    ill = server("server-1", OLD, **ILL)
    assert done(servers(ill, O2, O3)) == [(Grow, 1)]
    assert done(servers(ill, O2, O3, server("server-4", **BOOTING))) == [(Await, ("server-4",))]
    assert done(servers(ill, O2, O3, server("server-4"))) == [(Terminate, ("server-1",))]


def test_without_a_quorum_nothing_is_done_but_waiting() -> None:
    ill = [server(f"server-{number}", OLD, **ILL) for number in (1, 2)]
    assert done(servers(*ill, O3)) == [(Await, ("server-1", "server-2"))]


def test_an_ill_server_of_the_right_bundle_is_waited_for() -> None:
    assert done(servers(S1, S2, server("server-3", **ILL))) == [(Await, ("server-3",))]
    assert done(servers(O1, O2, server("server-3", **ILL))) == [(Await, ("server-3",))]


def test_a_server_of_a_bundle_that_was_taken_back_goes_though_it_never_became_healthy() -> None:
    assert done(servers(S1, S2, S3, server("server-4", OLD, **BOOTING))) == [(Terminate, ("server-4",))]
    assert done(servers(S1, S2, server("server-4", OLD, **BOOTING))) == [(Grow, 1)]


def test_the_replacement_of_a_dead_server_comes_before_its_remains_are_removed() -> None:
    dead = server("server-3", **TERMINATED)
    assert done(servers(S1, S2, dead)) == [(Grow, 1)]
    assert done(servers(S1, S2, dead, server("server-4", **BOOTING))) == [(Await, ("server-4",))]
    assert done(servers(S1, S2, dead, server("server-4"))) == [(Delete, ("server-3",))]
    assert done(servers(S1, S2, stale_members=("server-3",))) == [(Grow, 1)]
    (step,) = next_steps(servers(S1, S2, server("server-4"), stale_members=("server-3",)))
    assert isinstance(step, PruneMember)
    assert step.names == ("server-3",)


def test_a_server_that_is_stopped_is_started_again_and_not_replaced() -> None:
    held = server("server-3", **STOPPED)
    assert done(servers(S1, S2, held)) == [(Start, ("server-3",))]
    assert done(servers(S1, S2, replace(held, **BOOTING))) == [(Await, ("server-3",))]  # type: ignore[arg-type]
    # Its vote counts: nobody else goes meanwhile, however old, and no dead name is removed from Raft.
    assert done(servers(O1, O2, held, stale_members=("server-0",))) == [(Start, ("server-3",))]
    assert done(servers(S1, S2, S3, server("server-4", OLD, **STOPPED))) == [(Start, ("server-4",))]
    all_stopped = tuple(server(f"server-{number}", **STOPPED) for number in (1, 2, 3))
    assert done(servers(*all_stopped)) == [(Start, ("server-1", "server-2", "server-3"))]
    whole = plan(servers(*all_stopped))
    assert [str(change) for change in whole.pools] == ["server: 3 stopped"]
    assert not whole.snapshot, "nothing is removed"


def test_a_peer_is_forgotten_before_the_next_change_of_the_servers() -> None:
    assert done(servers(O1, O2, O3, stale_members=("server-0",))) == [(PruneMember, None)]


def test_ghosts_without_a_vote_are_forgotten_at_any_time() -> None:
    fleet = replace(servers(S1, S2, stale_members=("server-3", "web-9")), voteless=frozenset({"web-9"}))
    forget, grow = next_steps(fleet)
    assert isinstance(forget, PruneMember)
    assert forget.names == ("web-9",)
    assert isinstance(grow, Grow)


def test_three_servers_become_five_one_at_a_time() -> None:
    assert done(servers(S1, S2, S3, count=5)) == [(Grow, 1)]
    assert done(servers(S1, S2, S3, server("server-4", **BOOTING), count=5)) == [(Await, ("server-4",))]
    assert done(servers(S1, S2, S3, server("server-4"), count=5)) == [(Grow, 1)]
    whole = plan(servers(S1, S2, S3, count=5))
    assert [type(step) for steps in whole.rounds for step in steps] == [Grow, Await] * 2
    assert (whole.extra, whole.snapshot) == (0, False)


def test_five_servers_become_three_one_at_a_time_the_newest_that_leads_nothing_first() -> None:
    five = [S1, S2, S3, server("server-4"), server("server-5", leads="nomad")]
    assert done(servers(*five)) == [(Terminate, ("server-4",))]
    five[1] = O2
    assert done(servers(*five)) == [(Terminate, ("server-2",))]
    assert plan(servers(*five)).snapshot


def test_the_servers_of_a_new_cluster_start_together() -> None:
    assert done(servers()) == [(Grow, 3)]
    assert done(servers(server("server-1", **BOOTING))) == [(Grow, 2)]


# Clients and servers


def test_clients_change_after_the_servers() -> None:
    assert done(clients(*some(3, OLD), count=3, before=servers(S1, S2, O3))) == [(Grow, 1)]
    young = servers(S1, S2, server("server-3", healthy_seconds=1))
    assert done(clients(*some(3, OLD), count=3, before=young)) == [(Await, ("server-3",))]
    (step,) = next_steps(clients(*some(3, OLD), count=3, before=WANTED))
    assert (
        str(step)
        == "web: start 1 new machine: 3 of another bundle are to be replaced by 91bc0000; the canary comes first"
    )


def test_clients_change_once_the_last_old_server_is_out_of_raft() -> None:
    leaving = server("server-4", OLD, **LEAVING)
    before = servers(S1, S2, S3, leaving)
    assert done(clients(*some(3, OLD), count=3, before=before)) == [(AwaitGone, ("server-4",))]
    before = servers(S1, S2, S3, replace(leaving, peer=False))
    assert done(clients(*some(3, OLD), count=3, before=before)) == [(AwaitGone, ("server-4",)), (Grow, 1)]


def test_no_client_goes_while_a_server_does() -> None:
    four = (*some(1, NEW, work=1), *some(3, NEW, 2))
    surplus = servers(S1, S2, S3, server("server-4"))
    assert done(clients(*four, count=3, before=surplus)) == [(Terminate, ("server-4",))]
    going = servers(S1, S2, S3, server("server-4", **LEAVING))
    assert done(clients(*four, count=3, before=going)) == [(AwaitGone, ("server-4",))]
    # One that was made ineligible before stays so, and a drain that has begun is awaited.
    shut = (replace(four[0], eligible=False), *four[1:])
    assert done(clients(*shut, count=3, before=going)) == [(AwaitGone, ("server-4",))]
    draining = (replace(shut[0], draining=True), *four[1:])
    assert done(clients(*draining, count=3, before=going)) == [(AwaitGone, ("server-4",)), (Await, ("web-1",))]
    out = servers(S1, S2, S3, server("server-4", peer=False, **LEAVING))
    assert done(clients(*shut, count=3, before=out)) == [(AwaitGone, ("server-4",))]
    assert done(clients(*shut, count=3, before=WANTED)) == [(Drain, ("web-1",))]


def test_missing_clients_of_an_unchanged_pool_are_started_while_servers_change() -> None:
    assert done(clients(*some(2, NEW), count=3, before=servers(S1, S2, O3))) == [(Grow, 1), (Grow, 1)]


def test_missing_clients_of_a_changed_pool_wait_for_the_servers() -> None:
    assert done(clients(*some(2, OLD), count=3, before=servers(S1, S2, O3))) == [(Grow, 1)]


def test_a_new_pool_waits_for_outdated_servers_only() -> None:
    assert done(clients(count=2, before=servers(S1, S2, O3))) == [(Grow, 1)]
    assert done(clients(count=2, before=servers(S1, S2))) == [(Grow, 1), (Grow, 2)]


def test_client_pools_change_side_by_side() -> None:
    fleet = clients(*some(2, OLD), count=2)
    other = replace(fleet.pools[0], name="batch")
    assert [step.pool for step in next_steps(replace(fleet, pools=(*fleet.pools, other)))] == ["web", "batch"]  # type: ignore[attr-defined]


# One pool of clients


SURGE = Policy(max_surge=3)


def test_the_canary_is_proven_before_an_old_machine_is_touched() -> None:
    old = some(6, OLD, work=2)
    assert done(clients(*old, count=6, policy=SURGE)) == [(Grow, 1)]
    for seen in (BOOTING, ILL, {"healthy_seconds": 9.9}):
        assert done(clients(*old, *some(1, NEW, 7, **seen), count=6, policy=SURGE)) == [(Await, ("web-7",))]


def test_a_canary_of_two_is_two_machines() -> None:
    policy = Policy(max_surge=3, canary=2)
    assert done(clients(*some(6, OLD), count=6, policy=policy)) == [(Grow, 2)]
    assert done(clients(*some(6, OLD), *some(1, NEW, 7), count=6, policy=policy)) == [(Grow, 1)]


def test_all_old_machines_become_ineligible_before_the_first_drain_which_is_as_wide_as_the_canary() -> None:
    canary = some(1, NEW, 7)
    fleet = clients(*some(6, OLD, work=2), *canary, count=6, policy=SURGE)
    assert done(fleet) == [(Cordon, tuple(f"web-{number}" for number in range(1, 7)))]
    half = clients(*some(3, OLD, work=2, eligible=False), *some(3, OLD, 4, work=2), *canary, count=6, policy=SURGE)
    assert done(half) == [(Cordon, ("web-4", "web-5", "web-6"))]
    assert done(clients(*some(6, OLD, work=2, eligible=False), *canary, count=6, policy=SURGE)) == [(Drain, ("web-1",))]


def test_a_drain_under_way_is_awaited_and_not_begun_again() -> None:
    draining = some(1, OLD, work=1, eligible=False, draining=True)
    rest = some(5, OLD, 2, work=2, eligible=False)
    assert done(clients(*draining, *rest, *some(1, NEW, 7), count=6, policy=SURGE)) == [(Await, ("web-1",))]


def test_what_is_drained_leaves_and_makes_room_for_a_wave_as_wide_as_the_surge() -> None:
    rest = some(5, OLD, 2, work=2, eligible=False)
    new = some(1, NEW, 7)
    drained = some(1, OLD, eligible=False)
    assert done(clients(*drained, *rest, *new, count=6, policy=SURGE)) == [(Terminate, ("web-1",))]
    leaving = some(1, OLD, eligible=False, **LEAVING)
    assert done(clients(*leaving, *rest, *new, count=6, policy=SURGE)) == [(Grow, 3)]
    busy = some(1, OLD, work=1, eligible=False, **LEAVING)
    assert done(clients(*busy, *rest, *new, count=6, policy=SURGE)) == [(AwaitGone, ("web-1",))]
    assert done(clients(*rest, *new, count=6, policy=SURGE)) == [(Grow, 3)]
    four = some(4, NEW, 7)
    assert done(clients(*rest, *four, count=6, policy=SURGE)) == [(Drain, ("web-2", "web-3", "web-4"))]


def test_a_wave_in_which_some_are_idle_makes_room_for_the_next_as_a_whole() -> None:
    policy = Policy(max_surge=2, canary=2)
    others = (*some(2, OLD, 3, eligible=False, work=1), *some(2, NEW, 5))
    idle = server("web-1", OLD, eligible=False, **LEAVING)
    busy = server("web-2", OLD, eligible=False, draining=True, work=1)
    waiting = done(clients(idle, busy, *others, count=4, policy=policy))
    assert waiting == [(AwaitGone, ("web-1",)), (Await, ("web-2",))]
    drained = replace(busy, draining=False, work=0)
    assert done(clients(idle, drained, *others, count=4, policy=policy)) == [(Terminate, ("web-2",))]
    gone = server("web-2", OLD, eligible=False, **LEAVING)
    assert done(clients(idle, gone, *others, count=4, policy=policy)) == [(Grow, 2)]


def test_a_roll_with_idle_machines_takes_no_more_waves() -> None:
    machines = tuple(server(f"web-{number}", OLD, work=number % 3) for number in range(40))
    assert plan(clients(*machines, count=40, policy=Policy(max_surge=4, canary=4))).waves == 10


def test_idle_machines_too_leave_no_faster_than_the_pool_can_spare_them() -> None:
    idle = some(5, OLD, 2, eligible=False)
    assert done(clients(*idle, *some(4, NEW, 7), count=6, policy=SURGE)) == [(Terminate, ("web-2", "web-3", "web-4"))]


@pytest.mark.parametrize("seen", [BOOTING, ILL], ids=["boots", "is ill"])
def test_a_new_machine_that_is_not_healthy_blocks_the_next_wave(seen: dict[str, object]) -> None:
    old = some(5, OLD, 2, work=1, eligible=False)
    new = (*some(3, NEW, 7), *some(1, NEW, 10, **seen))
    assert done(clients(*old, *new, count=6, policy=SURGE)) == [(Await, ("web-10",))]


def test_an_ill_old_machine_blocks_nothing_and_goes_first() -> None:
    old = (*some(2, OLD, work=1, eligible=False), *some(1, OLD, 3, work=5, eligible=False, **ILL))
    assert done(clients(*old, *some(1, NEW, 7), count=3)) == [(Drain, ("web-3",))]


def test_old_machines_that_boot_are_no_clients_yet_and_just_go() -> None:
    old = (*some(2, OLD, work=1, eligible=False), *some(1, OLD, 3, **BOOTING))
    assert done(clients(*old, *some(1, NEW, 7), count=3)) == [(Terminate, ("web-3",))]


def test_a_wave_is_narrower_while_a_new_machine_is_out_of_service() -> None:
    old, new = some(5, OLD, work=1, eligible=False), some(3, NEW, 7)
    drained_by_hand = some(1, NEW, 10, work=1, eligible=False, draining=True)
    assert done(clients(*old, *new, *drained_by_hand, count=6, policy=SURGE)) == [(Drain, ("web-1", "web-2"))]


def test_max_unavailable_widens_a_wave() -> None:
    policy = Policy(max_surge=2, max_unavailable=1)
    old, new = some(6, OLD, work=1, eligible=False), some(6, NEW, 7)
    assert done(clients(*old, *new, count=10, policy=policy)) == [(Drain, ("web-1", "web-2", "web-3"))]


def test_never_more_machines_are_emptied_than_there_are_new_ones_to_take_their_work() -> None:
    policy = Policy(max_surge=1, max_unavailable=4)
    old = some(9, OLD, work=1, eligible=False)
    assert done(clients(*old, *some(1, NEW, 10), count=10, policy=policy)) == [(Grow, 1)]
    assert done(clients(*old, *some(2, NEW, 10), count=10, policy=policy)) == [(Drain, ("web-1", "web-2"))]


def test_without_surge_a_wave_drains_first_and_the_others_stay_eligible_to_take_its_work() -> None:
    policy = Policy(max_surge=0, max_unavailable=2)
    assert done(clients(*some(5, OLD, work=1), count=5, policy=policy)) == [(Cordon, ("web-1",))]
    going = some(1, OLD, work=1, eligible=False)
    assert done(clients(*going, *some(4, OLD, 2, work=1), count=5, policy=policy)) == [(Drain, ("web-1",))]
    gone = clients(*some(4, OLD, 2, work=1), count=5, policy=policy)
    assert done(gone) == [(Grow, 1)]
    leaving = some(1, OLD, eligible=False, **LEAVING)
    assert done(clients(*leaving, *some(4, OLD, 2, work=1), count=5, policy=policy)) == [(AwaitGone, ("web-1",))]
    proven = clients(*some(4, OLD, 2, work=1), *some(1, NEW, 6), count=5, policy=policy)
    assert done(proven) == [(Cordon, ("web-2", "web-3"))]


def test_at_the_applications_pace_nothing_is_drained() -> None:
    old = some(3, OLD, work=2)
    canary = some(1, NEW, 4)
    policy = replace(APPLICATIONS, max_surge=2)
    assert done(clients(*old, count=3, policy=policy)) == [(Grow, 1)]
    assert done(clients(*old, *some(1, NEW, 4, **BOOTING), count=3, policy=policy)) == [(Await, ("web-4",))]
    assert done(clients(*old, *canary, count=3, policy=policy)) == [(Grow, 1)]
    two = some(2, NEW, 4)
    assert done(clients(*old, *two, count=3, policy=policy)) == [(Cordon, ("web-1", "web-2", "web-3"))]
    held = some(3, OLD, work=2, eligible=False)
    assert done(clients(*held, *two, count=3, policy=policy)) == [(AwaitWork, ("web-1", "web-2", "web-3"))]
    left = (*some(1, OLD, eligible=False), *some(2, OLD, 2, work=2, eligible=False))
    assert done(clients(*left, *two, count=3, policy=policy)) == [(Terminate, ("web-1",))]
    assert done(clients(*left[1:], *two, count=3, policy=policy)) == [(Grow, 1)]


def test_clients_that_are_stopped_are_started_again_before_anything_else() -> None:
    machines = (*some(1, NEW), *some(1, NEW, 2, **STOPPED), *some(1, OLD, 3, **STOPPED), *some(1, NEW, 4, **TERMINATED))
    assert done(clients(*machines, count=5)) == [(Delete, ("web-4",)), (Start, ("web-2", "web-3"))]
    # Also where fewer are wanted: what is on their disks leaves by a drain.
    assert done(clients(*machines[:3], count=1)) == [(Start, ("web-2", "web-3"))]


def test_missing_clients_are_started_at_once_and_terminated_ones_discarded() -> None:
    machines = (*some(2, NEW), *some(1, NEW, 3, **TERMINATED), *some(1, NEW, 4, **BOOTING))
    assert done(clients(*machines, count=5)) == [(Delete, ("web-3",)), (Grow, 2)]


def test_a_machine_that_leaves_is_no_capacity_and_takes_its_place_until_it_is_gone() -> None:
    machines = (*some(2, NEW), *some(1, NEW, 3, **LEAVING))
    assert done(clients(*machines, count=3)) == [(Grow, 1)]
    tight = Policy(max_surge=0, max_unavailable=1)
    assert done(clients(*machines, count=3, policy=tight)) == [(AwaitGone, ("web-3",))]


def test_surplus_machines_with_least_work_go_within_the_policy() -> None:
    work = (some(1, NEW, work=5), some(2, NEW, 2, work=1), some(2, NEW, 4, work=9))
    six = tuple(machine for group in work for machine in group)
    assert done(clients(*six, count=2)) == [(Cordon, ("web-2", "web-3", "web-1"))]
    shut = tuple(replace(machine, eligible=machine.work == 9) for machine in six)
    assert done(clients(*shut, count=2)) == [(Drain, ("web-2",))]
    idle = replace(shut[1], work=0)
    assert done(clients(shut[0], idle, *shut[2:], count=2)) == [(Terminate, ("web-2",))]


def test_surplus_machines_of_an_old_bundle_go_before_the_roll_begins() -> None:
    assert done(clients(*some(4, OLD, work=1), count=2)) == [(Cordon, ("web-1", "web-2"))]


def test_going_back_makes_the_old_machines_eligible_again_first() -> None:
    back = (*some(3, NEW, work=1, eligible=False), *some(1, OLD, 4, work=1))
    assert done(clients(*back, count=3)) == [(Uncordon, ("web-1", "web-2", "web-3"))]
    assert done(clients(*some(3, NEW, work=1), *some(1, OLD, 4, work=1), count=3)) == [(Cordon, ("web-4",))]


def test_a_machine_that_an_operator_made_ineligible_stays_so() -> None:
    assert next_steps(clients(*some(2, NEW), *some(1, NEW, 3, eligible=False), count=3)) == ()
    assert done(clients(*some(2, NEW, eligible=False), count=2)) == [(Uncordon, ("web-1", "web-2"))]


def test_a_last_wave_is_proven_before_the_roll_is_over() -> None:
    assert done(clients(*some(2, NEW), *some(1, NEW, 3, healthy_seconds=2), count=3)) == [(Await, ("web-3",))]


# The whole plan


@pytest.mark.parametrize(
    ("count", "surge", "canary", "waves"),
    [(10, 3, 3, 4), (10, 3, 1, 4), (9, 3, 3, 3), (9, 3, 1, 4), (5, 5, 5, 1), (1, 1, 1, 1), (100, 5, 5, 20)],
)
def test_a_roll_takes_a_wave_for_the_canary_and_then_one_for_each_surge(
    count: int, surge: int, canary: int, waves: int
) -> None:
    """ceil(count / surge) when the canary is as wide as the surge."""
    policy = Policy(max_surge=surge, canary=canary)
    whole = plan(clients(*some(count, OLD, work=1), count=count, policy=policy))
    assert whole.waves == waves
    assert whole.extra == min(surge, count)


def test_the_plan_names_the_pools_that_change_and_why() -> None:
    before = servers(O1, O2, server("server-3", OLD, **TERMINATED))
    fleet = clients(*some(3, NEW), count=3, before=before)
    whole = plan(fleet)
    assert [str(change) for change in whole.pools] == [
        "server: 2 of 2 outdated (3f2a0000 -> 91bc0000), 1 missing, 1 terminated; 3 waves"
    ]
    assert whole.snapshot
    assert whole.extra == 1


def test_a_roll_of_clients_alone_takes_no_snapshot() -> None:
    assert not plan(clients(*some(3, OLD), count=3, before=WANTED)).snapshot
