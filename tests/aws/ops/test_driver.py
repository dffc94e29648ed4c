"""The AWS driver against moto; what moto lacks of a group's life is in `lifecycle.py`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions
from botocore.client import BaseClient
from botocore.stub import Stubber

from hashistack.aws.ops import driver as driver_module
from hashistack.aws.ops import groups as asg
from hashistack.aws.ops import session
from hashistack.aws.ops.driver import AwsDriver
from hashistack.cloud import group_driver
from hashistack.ops.rollout.desired import listed
from hashistack.ops.rollout.driver import DriverFailed
from hashistack.ops.rollout.plan import plan

from .conftest import NEW, OLD, REGION, SITE, Site, instance_id
from .lifecycle import Lifecycle


@pytest.fixture
def cluster(site: Site) -> Site:
    site.pool("server", 3, role="server")
    site.pool("web", 2)
    return site


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_driver, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(group_driver, "LISTED_SECONDS", 0.5)
    monkeypatch.setattr(driver_module, "HOOK_SECONDS", 0.05)


def names(site: Site, pool: str) -> list[str]:
    return [one.name for one in site.driver().instances() if one.pool == pool]


def test_machines_are_named_by_pool_and_instance_and_keep_their_names(cluster: Site) -> None:
    seen = cluster.driver().instances()
    assert {one.pool: one.bundle for one in seen} == {"server": OLD, "web": OLD}
    assert [one.pool for one in seen].count("server") == 3
    ids = {one["InstanceId"] for r in cluster.ec2.describe_instances()["Reservations"] for one in r["Instances"]}
    assert {instance_id(one.name) for one in seen} == ids
    assert all(one.name == f"{one.pool}-{instance_id(one.name)[2:]}" for one in seen)
    assert {one.state for one in seen} == {"running"}
    assert all(0 <= one.age < 60 for one in seen)
    assert cluster.driver().instances() == cluster.driver().instances() or [one.name for one in seen] == [
        one.name for one in cluster.driver().instances()
    ]


def test_ansible_reaches_a_machine_by_its_instance_and_knows_its_zone(cluster: Site) -> None:
    reach = cluster.driver().reach()
    assert reach.keys() == {one.name for one in cluster.driver().instances()}
    for name, known in reach.items():
        assert known["ansible_host"] == instance_id(name)
        assert known["ansible_connection"] == "amazon.aws.aws_ssm"
        assert known["ansible_aws_ssm_region"] == REGION
        assert known["hashistack_zone"].startswith(REGION)


@pytest.mark.parametrize(
    ("lifecycle_state", "state"),
    [
        ("Pending", "running"),
        ("Pending:Wait", "running"),
        ("Pending:Proceed", "running"),
        ("InService", "running"),
        ("Standby", "running"),
        ("Terminating", "leaving"),
        ("Terminating:Wait", "leaving"),
        ("Terminating:Proceed", "leaving"),
        ("Terminated", "leaving"),
        ("Detaching", "leaving"),
    ],
)
def test_a_group_says_whether_a_machine_runs_or_leaves(cluster: Site, lifecycle_state: str, state: str) -> None:
    first = names(cluster, "web")[0]
    cluster.put(first, lifecycle_state)
    assert {one.name: one.state for one in cluster.driver().instances()}[first] == state


def test_a_machine_that_stands_by_is_none_of_the_desired_ones() -> None:
    states = {
        "i-1": "InService",
        "i-2": "Pending:Wait",
        "i-3": "Standby",
        "i-4": "EnteringStandby",
        "i-5": "Terminating",
    }
    group = asg.Group("g", 0, 2, 4, ("lt", "1"), lifecycles=states)
    assert [instance for instance in (*states, "i-6") if group.holds(instance)] == ["i-1", "i-2"]


def test_stopped_machines_are_listed_and_terminated_ones_are_not(cluster: Site, lifecycle: Lifecycle) -> None:
    first, second = names(cluster, "web")
    cluster.ec2.stop_instances(InstanceIds=[instance_id(first)])
    cluster.ec2.terminate_instances(InstanceIds=[instance_id(second)])
    states = {one.name: one.state for one in cluster.driver().instances()}
    assert states[first] == "terminated"
    assert second not in states


def test_machines_of_other_clusters_are_nobodys_business(cluster: Site) -> None:
    other = [{"Key": "hashistack:cluster", "Value": f"{SITE}0"}, {"Key": "hashistack:pool", "Value": "web"}]
    made = cluster.ec2.run_instances(
        ImageId=cluster.image, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": other}]
    )["Instances"][0]["InstanceId"]
    assert made not in {instance_id(one.name) for one in cluster.driver().instances()}


def test_all_pages_are_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with thousands of machines and more groups than one call may name."""
    monkeypatch.setattr(asg, "_NAMES", 2)
    monkeypatch.setattr(asg, "_PAGE", 5)
    for number in range(3):
        site.pool(f"p{number}", 4)
    seen = site.driver().instances()
    assert len({one.name for one in seen}) == 12


def test_another_template_version_with_the_same_bundle_rolls_nothing(cluster: Site) -> None:
    cluster.declare("web", OLD, team="blue")
    fleet = listed(cluster.connection(), cluster.driver())
    assert plan(fleet).pools == ()
    cluster.driver().check("web")


def test_another_bundle_rolls_its_pool_alone(cluster: Site) -> None:
    cluster.declare("web", NEW)
    fleet = listed(cluster.connection(), cluster.driver())
    assert [change.pool for change in plan(fleet).pools] == ["web"]


def test_grow_names_new_machines_of_the_declared_bundle(cluster: Site, lifecycle: Lifecycle) -> None:
    before = names(cluster, "web")
    cluster.declare("web", NEW)
    grown = cluster.driver().grow("web", 2)
    seen = {one.name: one.bundle for one in cluster.driver().instances()}
    assert len(grown) == 2
    assert not set(grown) & set(before)
    assert {seen[name] for name in grown} == {NEW}
    assert {seen[name] for name in before} == {OLD}
    assert cluster.desired("web") == 4


def size(driver: AwsDriver, site: Site, pool: str) -> int:
    return driver.size(next(one for one in site.connection().pools if one.name == pool))


@pytest.mark.parametrize(("desired", "wanted"), [(0, 2), (1, 2), (2, 2), (3, 3), (4, 3)])
def test_what_autoscaling_has_added_up_to_the_pools_most_is_kept(cluster: Site, desired: int, wanted: int) -> None:
    """The group has room for one more than the pool's `max`: what a rollout adds."""
    cluster.autoscaling.set_desired_capacity(AutoScalingGroupName=cluster.group("web"), DesiredCapacity=desired)
    cluster.autoscaling.set_desired_capacity(AutoScalingGroupName=cluster.group("server"), DesiredCapacity=4)
    driver = cluster.driver()
    assert size(driver, cluster, "web") == wanted
    assert size(driver, cluster, "server") == 3


def test_what_a_rollout_adds_is_no_autoscaling(cluster: Site, lifecycle: Lifecycle) -> None:
    cluster.declare("web", NEW)
    driver = cluster.driver()
    assert size(driver, cluster, "web") == 2
    driver.grow("web", 1)
    assert cluster.desired("web") == 3
    assert size(driver, cluster, "web") == 2
    assert size(cluster.driver(), cluster, "web") == 2  # the run after one that was stopped there


def test_grow_after_an_earlier_one_that_is_not_there_yet_asks_for_no_more(cluster: Site, lifecycle: Lifecycle) -> None:
    lifecycle.dry, lifecycle.says = True, "Could not launch Spot Instances. InsufficientInstanceCapacity - none"
    for _ in range(2):  # a process that died, and the next one
        with pytest.raises(DriverFailed, match="InsufficientInstanceCapacity") as failed:
            cluster.driver().grow("web", 1)
        assert cluster.desired("web") == 3
    assert str(failed.value).startswith("web: 0 of 1 machines were started within ")
    assert "Next: " in str(failed.value)
    assert len(names(cluster, "web")) == 2


def test_grow_finds_what_the_group_starts_by_itself(cluster: Site, lifecycle: Lifecycle) -> None:
    """A lost machine is replaced by the group too: together they make one, not two."""
    first, second = names(cluster, "web")
    lifecycle.dry = True
    cluster.ec2.terminate_instances(InstanceIds=[instance_id(first)])
    lifecycle.dry = False
    grown = cluster.driver().grow
    # moto starts nothing on its own: the capacity is there, the machine isn't
    assert cluster.desired("web") == 2
    with pytest.raises(DriverFailed, match="0 of 1"):
        grown("web", 1)
    assert cluster.desired("web") == 2
    assert names(cluster, "web") == [second]


def test_grow_beyond_the_most_says_what_to_do_and_changes_nothing(cluster: Site) -> None:
    said = (
        r"^web: there are 2 machines, 3 more are needed for a while, .* may have 4\. Next: give the pool a higher `max`"
    )
    with pytest.raises(DriverFailed, match=said):
        cluster.driver().grow("web", 3)
    assert cluster.desired("web") == 2


def test_a_group_that_makes_another_version_is_refused(cluster: Site) -> None:
    cluster.template("web", NEW)  # as after an `up` that stopped half way
    declared = next(pool for pool in cluster.pools if pool["name"] == "web")
    declared["template"]["launch_template"] = {**declared["template"]["launch_template"], "version": "2"}
    for call in (lambda: cluster.driver().check("web"), lambda: cluster.driver().grow("web", 1)):
        with pytest.raises(
            DriverFailed, match=r"version 1 of lt-\w+, and the stack declares version 2 .* Next: pulumi up"
        ):
            call()
    assert cluster.desired("web") == 2


def test_a_template_of_another_bundle_than_declared_is_refused(cluster: Site) -> None:
    next(pool for pool in cluster.pools if pool["name"] == "web")["bundle"] = NEW
    with pytest.raises(DriverFailed, match=f"makes bundle {OLD[:12]} in version 1, and the stack declares {NEW[:12]}"):
        cluster.driver().check("web")


def test_a_group_that_is_suspended_is_refused(cluster: Site) -> None:
    cluster.autoscaling.suspend_processes(AutoScalingGroupName=cluster.group("web"), ScalingProcesses=["Launch"])
    with pytest.raises(DriverFailed, match=r"^web: Launch of .* is suspended\. Next: aws autoscaling resume-processes"):
        cluster.driver().check("web")


def test_zones_that_are_not_rebalanced_are_no_reason_to_refuse(cluster: Site) -> None:
    cluster.autoscaling.suspend_processes(
        AutoScalingGroupName=cluster.group("server"), ScalingProcesses=["AZRebalance"]
    )
    cluster.driver().check("server")


def test_terminate_goes_through_the_hook_and_lowers_the_capacity_once(cluster: Site, lifecycle: Lifecycle) -> None:
    first = names(cluster, "web")[0]
    for _ in range(2):
        cluster.driver().terminate([first])
    assert lifecycle.calls == [("terminate", {"id": instance_id(first), "fewer": True})]
    assert cluster.desired("web") == 1
    assert {one.name: one.state for one in cluster.driver().instances()}[first] == "leaving"


def test_at_its_least_size_the_group_starts_the_successor(site: Site, lifecycle: Lifecycle) -> None:
    site.pool("web", 3, least=2)
    site.driver().terminate(names(site, "web")[:2])
    assert [call["fewer"] for _, call in lifecycle.calls] == [True, False]
    assert site.desired("web") == 2


def test_terminate_of_a_machine_that_is_no_more_does_nothing(cluster: Site, lifecycle: Lifecycle) -> None:
    cluster.driver().terminate(["web-0123456789abcdef0"])
    assert lifecycle.calls == []


def test_a_machine_that_no_group_has_is_terminated_too(cluster: Site) -> None:
    first = names(cluster, "web")[0]
    cluster.autoscaling.detach_instances(
        AutoScalingGroupName=cluster.group("web"),
        InstanceIds=[instance_id(first)],
        ShouldDecrementDesiredCapacity=True,
    )
    assert first in names(cluster, "web")
    cluster.driver().terminate([first])
    assert first not in names(cluster, "web")


def test_discard_does_not_wait_for_a_drain(cluster: Site, lifecycle: Lifecycle) -> None:
    first = names(cluster, "web")[0]
    cluster.ec2.stop_instances(InstanceIds=[instance_id(first)])
    cluster.driver().discard([first])
    done = {"id": instance_id(first), "hook": "hashistack-terminate", "result": "CONTINUE"}
    assert lifecycle.calls == [("terminate", {"id": instance_id(first), "fewer": True}), ("complete", done)]
    assert first not in names(cluster, "web")
    cluster.driver().discard([first])
    assert len(lifecycle.calls) == 2


def test_discard_of_one_that_drains_for_too_long_ends_its_drain(cluster: Site, lifecycle: Lifecycle) -> None:
    first = names(cluster, "web")[0]
    cluster.driver().terminate([first])
    cluster.driver().discard([first])
    assert [call for call, _ in lifecycle.calls] == ["terminate", "complete"]
    assert cluster.desired("web") == 1


def test_discard_comes_back_for_one_that_a_load_balancer_still_holds(cluster: Site, lifecycle: Lifecycle) -> None:
    first = names(cluster, "web")[0]
    lifecycle.slow = True
    cluster.driver().discard([first])
    assert [call for call, _ in lifecycle.calls] == ["terminate"]
    cluster.put(first, "Terminating:Wait")
    cluster.driver().discard([first])
    assert [call for call, _ in lifecycle.calls] == ["terminate", "complete"]


def test_what_the_group_takes_away_in_the_middle_of_a_roll_is_seen_as_leaving(
    cluster: Site, lifecycle: Lifecycle
) -> None:
    """Scale-in, rebalance, a spot notice, an ill machine: the group begins, and its hook holds the machine."""
    cluster.declare("web", NEW)
    driver = cluster.driver()
    driver.grow("web", 1)
    gone = names(cluster, "web")[0]
    cluster.put(gone, "Terminating:Wait")
    fleet = listed(cluster.connection(), driver)
    web = next(pool for pool in fleet.pools if pool.name == "web")
    assert {machine.name: machine.state for machine in web.machines}[gone] == "leaving"


def test_a_warm_pool_holds_no_machines_and_nothing_outdated(
    cluster: Site, lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto's warm pools are empty: one more machine is said to be in it."""
    tags = [{"Key": f"hashistack:{key}", "Value": value} for key, value in _tags("web").items()]
    made = cluster.ec2.run_instances(
        ImageId=cluster.image, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}]
    )["Instances"][0]["InstanceId"]
    monkeypatch.setattr(asg, "warm", lambda autoscaling, groups: {made})
    assert made not in {instance_id(name) for name in names(cluster, "web")}
    cluster.driver().grow("web", 1)
    assert _state(cluster, made) == "running"
    cluster.declare("web", NEW)
    cluster.driver().grow("web", 1)
    assert _state(cluster, made) == "terminated"


def _tags(pool: str) -> dict[str, str]:
    return {"cluster": SITE, "pool": pool, "bundle": OLD}


def _state(site: Site, instance: str) -> str:
    return site.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]["Name"]


def test_a_group_that_was_deleted_by_hand_is_no_cluster_without_machines(cluster: Site) -> None:
    cluster.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=cluster.group("server"), ForceDelete=True)
    said = rf"^account 123456789012 has no Auto Scaling group {cluster.group('server')} in {REGION}, as arn:aws:sts"
    with pytest.raises(DriverFailed, match=said) as failed:
        cluster.driver().instances()
    assert "Next: export AWS_PROFILE" in str(failed.value)


def test_another_account_is_no_cluster_without_machines(
    cluster: Site, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "210987654321")
    with pytest.raises(DriverFailed, match=r"^account 210987654321 has no Auto Scaling group"):
        cluster.driver().instances()


def test_a_stack_of_a_release_without_templates_says_what_to_do(cluster: Site) -> None:
    for pool in cluster.pools:
        pool["template"] = {}
    with pytest.raises(DriverFailed, match=r"^server: the stack names no group of its machines\. Next: pulumi up"):
        cluster.driver().instances()


CODES = [
    ("ExpiredToken", "the AWS credentials have expired. Next: aws sso login"),
    ("RequestExpired", "the AWS credentials have expired. Next: aws sso login"),
    ("InvalidClientTokenId", "AWS does not accept these credentials"),
    ("UnauthorizedOperation", "these credentials may not call DescribeInstances"),
    ("AccessDenied", "these credentials may not call DescribeInstances"),
    ("RequestLimitExceeded", "AWS throttles DescribeInstances, and did so to the last try. Next: repeat in a minute"),
    ("InternalError", "DescribeInstances: it said so. Next: "),
]


@pytest.mark.parametrize(("code", "said"), CODES, ids=[code for code, _ in CODES])
def test_a_failed_call_is_one_sentence_with_the_next_command(
    cluster: Site, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    driver = cluster.driver()
    monkeypatch.setattr(driver_module.session, "CONFIG", driver_module.session.CONFIG.merge(_ONCE))
    with Stubber(driver._ec2) as stub:
        stub.add_client_error("describe_instances", code, "it said so.")
        with pytest.raises(DriverFailed) as failed:
            driver.instances()
    assert str(failed.value).startswith(said)
    assert "\n" not in str(failed.value)


def test_no_credentials_at_all_is_one_sentence(cluster: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(DriverFailed, match=r"^no AWS credentials are found\. Next: export AWS_PROFILE"):
        AwsDriver(cluster.connection()).instances()


def test_an_unknown_profile_is_one_sentence(cluster: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(DriverFailed, match=r"nobody.*Next: aws configure list-profiles"):
        AwsDriver(cluster.connection()).instances()


def test_no_network_is_one_sentence(cluster: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **more: Any) -> Any:
        raise exceptions.EndpointConnectionError(endpoint_url="https://ec2.eu-central-1.amazonaws.com/")

    driver = cluster.driver()
    monkeypatch.setattr(driver._ec2, "_make_api_call", fail)
    with pytest.raises(DriverFailed, match=r"^AWS does not answer .* Next: look at the network"):
        driver.instances()


def test_every_call_is_checked_against_the_services_models(cluster: Site) -> None:
    driver = cluster.driver()
    for client in (driver._ec2, driver._autoscaling):
        assert client.meta.config.parameter_validation is True
    with pytest.raises(exceptions.ParamValidationError):
        driver._autoscaling.set_desired_capacity(AutoScalingGroupName="x", DesiredCapacity="3")  # type: ignore[arg-type]
    assert driver._ec2.meta.config.retries["mode"] == "adaptive"


def test_evidence_is_the_end_of_the_console_without_control_characters(
    cluster: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, first = cluster.driver(), names(cluster, "web")[0]
    lines = "\r\n".join([*(f"line {number}" for number in range(100)), "\x1b[31mboot: wrong digest\x1b[0m"])
    monkeypatch.setattr(driver._ec2, "get_console_output", lambda **asked: {"Output": lines})
    told = driver.evidence(first).splitlines()
    assert told[-1] == "boot: wrong digest"
    assert len(told) == 40


def test_evidence_without_a_console_is_what_the_group_said_last(
    cluster: Site, lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle.says = "Client.InvalidKMSKey"
    driver, first = cluster.driver(), names(cluster, "web")[0]
    monkeypatch.setattr(driver._ec2, "get_console_output", lambda **asked: {})
    assert driver.evidence(first) == "Client.InvalidKMSKey"
    assert driver.evidence("web-0123") == ""


def test_an_older_machine_type_has_no_latest_console(cluster: Site) -> None:
    driver, first = cluster.driver(), names(cluster, "web")[0]
    with Stubber(driver._ec2) as stub:
        asked = {"InstanceId": instance_id(first)}
        stub.add_client_error("get_console_output", "UnsupportedOperation", expected_params={**asked, "Latest": True})
        stub.add_response("get_console_output", {"InstanceId": instance_id(first), "Output": ""}, asked)
        assert driver._console(instance_id(first)) == ""
        stub.assert_no_pending_responses()


def test_a_key_service_opens_vault_so_there_is_no_key_to_keep(cluster: Site) -> None:
    assert cluster.driver().vault_init() == ""
    with pytest.raises(DriverFailed, match="opens by its KMS key"):
        cluster.driver().keep_vault_init("{}")


_ONCE = driver_module.session.CONFIG.__class__(retries={"total_max_attempts": 1})


def test_a_rollout_lets_go_of_machines_that_cannot_end_their_groups_wait(cluster: Site, lifecycle: Lifecycle) -> None:
    stopped, drains = names(cluster, "web")
    for name in (stopped, drains):
        cluster.put(name, "Terminating:Wait")
    cluster.ec2.stop_instances(InstanceIds=[instance_id(stopped)])
    cluster.driver().check("web")
    assert [call[1]["id"] for call in lifecycle.calls] == [instance_id(stopped)]


def test_a_machine_that_ended_before_it_was_well_makes_room_for_the_next(cluster: Site, lifecycle: Lifecycle) -> None:
    ended, boots = names(cluster, "web")
    for name in (ended, boots):
        cluster.put(name, "Pending:Wait")
    cluster.ec2.stop_instances(InstanceIds=[instance_id(ended)])
    cluster.driver().check("web")
    assert lifecycle.calls == [
        ("complete", {"id": instance_id(ended), "hook": "hashistack-launch", "result": "ABANDON"})
    ]


@pytest.mark.parametrize("hook", ["Pending:Wait", "Terminating:Wait"])
@pytest.mark.parametrize(("minutes", "gone"), [(1, False), (10, True)])
def test_a_machine_that_ec2_does_not_list_is_waited_for_while_it_may_be_new(
    cluster: Site, lifecycle: Lifecycle, hook: str, minutes: int, gone: bool
) -> None:
    """EC2 lists a new machine a little later than its group does."""
    done, listed = "Launching" if hook == "Pending:Wait" else "Terminating", names(cluster, "web")[0]
    lifecycles = {instance_id(listed): hook, "i-0unlisted": hook}
    group = asg.Group("g", 0, 2, 4, ("lt", "1"), lifecycles=lifecycles)
    autoscaling = boto3.client("autoscaling", region_name=REGION)
    with Stubber(autoscaling) as stub:
        one = {
            "ActivityId": "1",
            "AutoScalingGroupName": "g",
            "Cause": "c",
            "StatusCode": "MidLifecycleAction",
            "Description": f"{done} a new EC2 instance: i-0unlisted",
            "StartTime": datetime.now(UTC) - timedelta(minutes=minutes),
        }
        stub.add_response("describe_scaling_activities", {"Activities": [one]}, {"AutoScalingGroupName": "g"})
        if gone:
            asked = {
                "LifecycleHookName": f"hashistack-{'launch' if done == 'Launching' else 'terminate'}",
                "AutoScalingGroupName": "g",
                "InstanceId": "i-0unlisted",
                "LifecycleActionResult": "ABANDON" if done == "Launching" else "CONTINUE",
            }
            stub.add_response("complete_lifecycle_action", {}, asked)
        asg.let_go_of_dead(cluster.ec2, autoscaling, group)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("state", ["stopping", "stopped", "shutting-down", "terminated"])
def test_a_machine_that_ec2_lists_as_off_is_let_go_of(aws: boto3.Session, state: str) -> None:
    group = asg.Group("g", 0, 1, 4, ("lt", "1"), lifecycles={"i-1": "Pending:Wait", "i-2": "Pending:Wait"})
    ec2, autoscaling = aws.client("ec2"), aws.client("autoscaling")
    with Stubber(ec2) as listed, Stubber(autoscaling) as told:
        found = [{"InstanceId": "i-1", "State": {"Name": state}}, {"InstanceId": "i-2", "State": {"Name": "pending"}}]
        filters = [{"Name": "instance-id", "Values": ["i-1", "i-2"]}]
        listed.add_response("describe_instances", {"Reservations": [{"Instances": found}]}, {"Filters": filters})
        asked = {
            "LifecycleHookName": "hashistack-launch",
            "AutoScalingGroupName": "g",
            "InstanceId": "i-1",
            "LifecycleActionResult": "ABANDON",
        }
        told.add_response("complete_lifecycle_action", {}, asked)
        asg.let_go_of_dead(ec2, autoscaling, group)
        told.assert_no_pending_responses()


def test_a_stopped_machine_of_a_warm_pool_is_let_go_of_too(cluster: Site) -> None:
    """One that goes from a warm pool is off: nothing on it could say that it has left."""
    off, on = (instance_id(name) for name in names(cluster, "web"))
    cluster.ec2.stop_instances(InstanceIds=[off])
    group = asg.Group("g", 0, 0, 4, ("lt", "1"), warm=True)
    autoscaling = boto3.client("autoscaling", region_name=REGION)
    with Stubber(autoscaling) as stub:
        warm = {"HealthStatus": "Healthy", "AvailabilityZone": "z", "ProtectedFromScaleIn": False}
        spare = [{**warm, "InstanceId": one, "LifecycleState": "Warmed:Terminating:Wait"} for one in (off, on)]
        stub.add_response("describe_warm_pool", {"Instances": spare}, {"AutoScalingGroupName": "g"})
        asked = {
            "LifecycleHookName": "hashistack-terminate",
            "AutoScalingGroupName": "g",
            "InstanceId": off,
            "LifecycleActionResult": "CONTINUE",
        }
        stub.add_response("complete_lifecycle_action", {}, asked)
        asg.let_go_of_dead(cluster.ec2, autoscaling, group)
        stub.assert_no_pending_responses()


def test_the_stacks_profile_goes_before_the_environments_credentials(
    cluster: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile prod]\naws_access_key_id = OF-PROD\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    cluster.pools[0]["template"]["access"] = {"profile": "prod"}
    given = session.of(cluster.connection()).get_credentials()
    assert given is not None and given.access_key == "OF-PROD"
    cluster.pools[0]["template"]["access"] = {"profile": "one that a colleague has"}
    given = session.of(cluster.connection()).get_credentials()
    assert given is not None and given.access_key == "testing"


def test_the_providers_roles_are_taken_on_one_after_the_other(cluster: Site) -> None:
    arn = "arn:aws:iam::{}:role/{}"
    first = {"RoleArn": arn.format("111111111111", "hub"), "RoleSessionName": "ci", "ExternalId": "ours"}
    second = {"RoleArn": arn.format("222222222222", "deploy")}
    cluster.pools[0]["template"]["access"] = {"roles": [first, second]}
    taken = session.of(cluster.connection())
    assert taken.client("sts").get_caller_identity()["Arn"].startswith("arn:aws:sts::222222222222:assumed-role/deploy/")
    cluster.pools[0]["template"]["access"] = {"roles": [first]}
    one = session.of(cluster.connection()).client("sts").get_caller_identity()
    assert one["Arn"] == "arn:aws:sts::111111111111:assumed-role/hub/ci"


def test_a_role_that_may_not_be_taken_on_is_one_sentence(cluster: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def refuse(self: Any, operation: str, parameters: Any) -> Any:
        if operation == "AssumeRole":
            said = {"Error": {"Code": "AccessDenied", "Message": "User is not authorized"}}
            raise exceptions.ClientError(said, operation)  # type: ignore[arg-type]
        return call(self, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    cluster.pools[0]["template"]["access"] = {"roles": [{"RoleArn": "arn:aws:iam::111111111111:role/deploy"}]}
    with pytest.raises(DriverFailed, match=r"may not call AssumeRole .* Next: allow AssumeRole"):
        AwsDriver(cluster.connection()).instances()


def test_the_providers_endpoints_are_asked(cluster: Site) -> None:
    own = {"ec2": "https://ec2.example", "sts": "https://sts.example"}
    cluster.pools[0]["template"]["access"] = {"endpoints": own}
    driver = AwsDriver(cluster.connection())
    assert driver._ec2.meta.endpoint_url == "https://ec2.example"
    assert driver._autoscaling.meta.endpoint_url == f"https://autoscaling.{REGION}.amazonaws.com"
