"""The driver of managed instance groups, over a project that lives as Google says (`tests/project/compute.py`)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.auth.exceptions import DefaultCredentialsError, RefreshError

from hashistack.cloud import group_driver
from hashistack.gcp.ops import session
from hashistack.gcp.ops.driver import GcpDriver
from hashistack.ops.rollout.desired import listed
from hashistack.ops.rollout.driver import DriverFailed
from hashistack.ops.rollout.plan import plan

from ...project.api import Fault, Refused, Seen
from ...project.compute import REGION, ZONES, Vm
from .conftest import NEW, OLD, SITE, Site


@pytest.fixture
def cluster(site: Site) -> Site:
    site.pool("server", 3, role="server")
    site.pool("Web_1", 2)
    return site


def names(site: Site, pool: str) -> list[str]:
    return [one.name for one in site.driver().instances() if one.pool == pool]


def states(site: Site) -> dict[str, str]:
    return {one.name: one.state for one in site.driver().instances()}


def test_a_machine_is_named_by_its_id_and_its_pool_as_it_is_written(cluster: Site) -> None:
    seen = cluster.driver().instances()
    assert sorted({one.pool for one in seen}) == ["Web_1", "server"]
    assert {one.bundle for one in seen} == {OLD}
    assert {one.name for one in seen} == {f"{vm.template.metadata['hashistack-pool']}-{vm.id}" for vm in vms(cluster)}


def vms(site: Site) -> list[Vm]:
    return site.project.vms


def test_terminate_holds_the_machine_while_it_drains_and_lowers_the_target_once(cluster: Site) -> None:
    first = names(cluster, "Web_1")[0]
    vm = cluster.project.of(first)
    for _ in range(2):
        cluster.driver().terminate([first])
    told = {"instances": [f"zones/{vm.zone}/instances/{vm.name}"], "graceful": True}
    assert cluster.project.calls == [("deleteInstances", cluster.group("Web_1"), told)]
    assert (cluster.target("Web_1"), vm.status) == (1, "PENDING_STOP")
    assert states(cluster)[first] == "leaving"
    cluster.project.leave(vm)
    assert first not in states(cluster)
    assert len(names(cluster, "Web_1")) == 1, "nothing is made in its place"


def test_discard_ends_a_drain_that_hangs(cluster: Site) -> None:
    first = names(cluster, "Web_1")[0]
    cluster.driver().terminate([first])
    cluster.driver().discard([first])
    assert [(call, more["graceful"]) for call, _, more in cluster.project.calls] == [
        ("deleteInstances", True),
        ("delete", False),
    ]
    cluster.driver().discard([first])  # STOPPING takes no orders any more, and what is gone is gone
    assert first not in states(cluster)
    assert len(names(cluster, "Web_1")) == cluster.target("Web_1") == 1


def test_discard_of_a_machine_that_stopped_is_its_groups_doing(cluster: Site) -> None:
    first = names(cluster, "Web_1")[0]
    cluster.project.of(first).status = "TERMINATED"
    assert states(cluster)[first] == "terminated"
    cluster.driver().discard([first])
    assert cluster.project.calls[0][2]["graceful"] is False
    assert (first in states(cluster), cluster.target("Web_1")) == (False, 1)


def test_a_repaired_machine_has_its_old_name_at_google_and_is_another_one(cluster: Site) -> None:
    cluster.declare("Web_1", NEW)
    first, second = names(cluster, "Web_1")
    old = cluster.project.of(first)
    made = cluster.project.repair(old)
    assert made.name == old.name
    assert set(names(cluster, "Web_1")) == {second, f"Web_1-{made.id}"}
    assert {one.name: one.bundle for one in cluster.driver().instances()}[f"Web_1-{made.id}"] == NEW
    cluster.driver().terminate([first])  # nobody: the new one has nothing to fear
    assert cluster.project.calls == []


def test_while_its_group_makes_it_anew_a_machine_leaves_and_grow_asks_for_no_more(cluster: Site) -> None:
    first, _ = names(cluster, "Web_1")
    old = cluster.project.of(first)
    old.action = "RECREATING"
    assert states(cluster)[first] == "leaving"
    cluster.project.repair(old)
    (made,) = cluster.driver().grow("Web_1", 1) if len(names(cluster, "Web_1")) < 2 else names(cluster, "Web_1")[1:]
    assert made != first
    assert (cluster.target("Web_1"), cluster.project.calls) == (2, [])


@pytest.mark.parametrize(
    ("status", "action", "state"),
    [
        ("PROVISIONING", "CREATING", "running"),
        ("RUNNING", "VERIFYING", "running"),
        ("REPAIRING", "NONE", "running"),
        ("STOPPING", "RESTARTING", "running"),
        ("STAGING", "RECREATING", "running"),
        ("RUNNING", "ABANDONING", "running"),
        ("RUNNING", "DELETING", "leaving"),
        ("TERMINATED", "DELETING", "leaving"),
        ("PENDING_STOP", "NONE", "leaving"),
        ("DEPROVISIONING", "NONE", "leaving"),
        ("TERMINATED", "NONE", "terminated"),
        ("SUSPENDED", "NONE", "terminated"),
    ],
)
def test_a_rollouts_word_for_each_state(
    cluster: Site, monkeypatch: pytest.MonkeyPatch, status: str, action: str, state: str
) -> None:
    first = names(cluster, "Web_1")[0]
    monkeypatch.setattr(cluster.project, "settle", lambda: None)
    vm = cluster.project.of(first)
    vm.status, vm.action = status, action
    assert states(cluster)[first] == state


def test_grow_names_new_machines_of_the_declared_bundle(cluster: Site) -> None:
    before = names(cluster, "server")
    cluster.declare("server", NEW)
    (made,) = cluster.driver().grow("server", 1)
    bundles = {one.name: one.bundle for one in cluster.driver().instances()}
    assert made not in before
    assert (bundles[made], {bundles[name] for name in before}) == (NEW, {OLD})
    assert cluster.project.calls == [("resize", cluster.group("server"), {"size": 4})]


def test_grow_after_an_earlier_one_that_is_not_there_yet_asks_for_no_more(
    cluster: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_driver, "LISTED_SECONDS", 0.5)
    cluster.project.dry = "The zone does not have enough resources available"
    for _ in range(2):  # a process that died, and the next one
        with pytest.raises(DriverFailed, match="does not have enough resources") as failed:
            cluster.driver().grow("Web_1", 1)
        assert cluster.target("Web_1") == 3
    assert str(failed.value).startswith("Web_1: 0 of 1 machines were started within ")
    assert len(cluster.project.calls) == 1


def test_grow_beyond_the_pools_most_says_what_to_do_and_changes_nothing(cluster: Site) -> None:
    """A group of Google's has no limit of its own: the pool's `max` and a roll's surge are."""
    with pytest.raises(DriverFailed, match=r"^Web_1: there are 2 machines, 3 more .* may have 4\. Next: give the pool"):
        cluster.driver().grow("Web_1", 3)
    with pytest.raises(DriverFailed, match=r"^server: there are 3 machines, 2 more .* may have 4"):
        cluster.driver().grow("server", 2)
    assert cluster.project.calls == []


@pytest.mark.parametrize(("target", "wanted"), [(1, 2), (2, 2), (3, 3), (9, 3)])
def test_what_autoscaling_has_added_up_to_the_pools_most_is_kept(cluster: Site, target: int, wanted: int) -> None:
    cluster.project.groups[cluster.group("Web_1")].target = target
    driver = cluster.driver()
    web = next(pool for pool in cluster.connection().pools if pool.name == "Web_1")
    assert driver.size(web) == wanted


def test_an_order_that_was_taken_and_not_answered_is_carried_out_once(cluster: Site) -> None:
    first = names(cluster, "Web_1")[0]
    lost = "compute.regionInstanceGroupManagers.deleteInstances"
    cluster.apis.faults.append(Fault(lost, 503, performed=True))
    cluster.driver().terminate([first])
    assert (cluster.target("Web_1"), len(cluster.project.calls)) == (1, 1)


def test_an_order_that_google_takes_and_cannot_carry_out_is_one_error(cluster: Site) -> None:
    cluster.project.fails = "Quota 'CPUS' exceeded. Limit: 8.0 in region europe-west1."
    with pytest.raises(DriverFailed, match=r"resize: Quota 'CPUS' exceeded\. .*Next: mend"):
        cluster.driver().grow("server", 1)


@pytest.mark.parametrize("busy", [1, 2, 3])
def test_googles_503_is_asked_again_and_in_the_end_told(cluster: Site, busy: int) -> None:
    left = [busy]

    def refuse(seen: Seen) -> Refused | None:
        left[0] -= 1
        return Refused(503, "backendError", "Service Unavailable") if left[0] >= 0 else None

    cluster.apis.outage = refuse
    driver = cluster.driver()
    if busy <= session.TRIES:
        assert len(driver.instances()) == 5
        return
    with pytest.raises(DriverFailed) as failed:
        driver.instances()
    assert str(failed.value) == (
        "Google answers compute.instances.aggregatedList with 503, and did so to the last try (Service Unavailable)."
        " Next: repeat in a minute"
    )


def test_all_pages_are_read(cluster: Site) -> None:
    cluster.project.page = 2
    assert len(states(cluster)) == 5


def test_a_zone_that_cannot_be_asked_has_lost_no_machine(cluster: Site) -> None:
    cluster.project.silent_zone = ZONES[1]
    with pytest.raises(DriverFailed, match=rf"^Google can't tell the machines of zones/{ZONES[1]} \(it is silent\)"):
        cluster.driver().instances()


def test_machines_of_other_clusters_are_nobodys_business(cluster: Site) -> None:
    template = cluster.template("Web_1", OLD, f"{SITE}0", 9)
    cluster.project.group("another", template, 1)
    assert len(states(cluster)) == 5


def test_a_machine_that_no_group_has_goes_in_the_same_way(cluster: Site) -> None:
    first = names(cluster, "Web_1")[0]
    vm = cluster.project.of(first)
    vm.action = "ABANDONED"
    cluster.project.groups[vm.group].target -= 1
    assert states(cluster)[first] == "running"
    cluster.driver().terminate([first])
    assert cluster.project.calls == [("delete", vm.name, {"graceful": True})]
    assert states(cluster)[first] == "leaving"


def test_another_bundle_rolls_its_pool_alone(cluster: Site) -> None:
    cluster.declare("Web_1", NEW)
    driver = cluster.driver()
    driver.check("Web_1")
    assert [change.pool for change in plan(listed(cluster.connection(), driver)).pools] == ["Web_1"]


def _another_template(site: Site) -> None:
    group = site.project.groups[site.group("Web_1")]
    group.template = site.template("Web_1", NEW, SITE, 7)


def _another_bundle(site: Site) -> None:
    next(pool for pool in site.pools if pool["name"] == "Web_1")["bundle"] = NEW


def _rolls(site: Site) -> None:
    site.project.groups[site.group("Web_1")].policy = "PROACTIVE"


def _scaled(site: Site) -> None:
    site.project.groups[site.group("Web_1")].autoscaler = "https://x/regions/r/autoscalers/mine"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            _another_template,
            r"from the instance template t-web-1-\w+-7, and the stack declares t-web-1-\w+-1\. Next: pulumi up",
        ),
        (
            _another_bundle,
            rf"t-web-1-[0-9a-f]+-1 makes bundle {OLD[:12]}, and the stack declares {NEW[:12]}\. Next: pulumi up",
        ),
        (_rolls, r"replaces machines by itself .* Next: pulumi refresh"),
        (_scaled, rf"autoscaler mine says how large .* stop-autoscaling {SITE}-web-1 --region {REGION}"),
    ],
)
def test_a_group_that_would_not_make_what_is_declared_is_refused(
    cluster: Site, change: Callable[[Site], None], said: str
) -> None:
    change(cluster)
    for call in (lambda: cluster.driver().check("Web_1"), lambda: cluster.driver().grow("Web_1", 1)):
        with pytest.raises(DriverFailed, match=said):
            call()
    assert cluster.project.calls == []


def test_a_group_that_was_deleted_by_hand_is_no_cluster_without_machines(cluster: Site) -> None:
    del cluster.project.groups[cluster.group("server")]
    with pytest.raises(DriverFailed, match=rf"^project x-project has no managed instance group {SITE}-server in"):
        cluster.driver().instances()


def test_a_stack_of_a_release_without_templates_says_what_to_do(cluster: Site) -> None:
    for pool in cluster.pools:
        pool["template"] = {}
    with pytest.raises(DriverFailed, match=r"^server: the stack names no group of its machines\. Next: pulumi up"):
        cluster.driver().instances()


CODES = [
    (401, "authError", "Google does not accept these credentials. Next: gcloud auth application-default login"),
    (403, "forbidden", "these credentials may not call compute.instances.aggregatedList (it said so). Next: grant"),
    (403, "SERVICE_DISABLED", "compute.googleapis.com is not enabled in this project. Next: gcloud services enable"),
    (403, "rateLimitExceeded", "Google throttles compute.instances.aggregatedList, and did so to the last try."),
    (429, "rateLimitExceeded", "Google throttles compute.instances.aggregatedList, and did so to the last try."),
    (400, "invalid", "compute.instances.aggregatedList: it said so. Next: mend"),
]


@pytest.mark.parametrize(("status", "reason", "said"), CODES)
def test_a_failed_call_is_one_sentence_with_the_next_command(
    cluster: Site, status: int, reason: str, said: str
) -> None:
    cluster.apis.outage = lambda seen: Refused(status, reason, "it said so.")
    with pytest.raises(DriverFailed) as failed:
        cluster.driver().instances()
    assert str(failed.value).startswith(said)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DefaultCredentialsError("none"), "no Google credentials are found. Next: gcloud auth"),  # type: ignore[no-untyped-call]
        (RefreshError("expired"), "the Google credentials can't be renewed (expired). Next: gcloud auth"),  # type: ignore[no-untyped-call]
    ],
)
def test_no_credentials_are_one_sentence(
    cluster: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def default(**given: object) -> object:
        raise error

    monkeypatch.setattr("google.auth.default", default)
    with pytest.raises(DriverFailed) as failed:
        GcpDriver(cluster.connection()).instances()
    assert str(failed.value).startswith(said)


def test_evidence_is_the_end_of_the_serial_console(cluster: Site) -> None:
    lines = "\r\n".join([*(f"line {number}" for number in range(9000)), "\x1b[31mboot: wrong digest\x1b[0m"])
    cluster.project.console = lambda vm: lines
    told = cluster.driver().evidence(names(cluster, "Web_1")[0]).splitlines()
    assert (told[-1], len(told)) == ("boot: wrong digest", 40)
    assert cluster.driver().evidence("Web_1-1") == ""


def test_a_key_service_opens_vault_so_there_is_no_key_to_keep(cluster: Site) -> None:
    assert cluster.driver().vault_init() == ""
    with pytest.raises(DriverFailed, match="Vault on Google Cloud opens by its KMS key"):
        cluster.driver().keep_vault_init("{}")
