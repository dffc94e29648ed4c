"""What was added to moto's Auto Scaling, asked through boto3: machines come and go through the hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from hashistack.aws.ops import groups
from hashistack.aws.pools.hooks import HOOKS

from .addresses import ACCOUNT
from .behaviour import Behaviour
from .lifecycle import LAUNCHING, TERMINATING, installed, members, step, target_state

REGION = "eu-central-1"


class Scaling:
    """One group of one region, and its clock."""

    def __init__(self, hooks: bool = True, **options: Any) -> None:
        self.ec2, self.api = (boto3.client(name, region_name=REGION) for name in ("ec2", "autoscaling"))
        self.now = 0.0
        vpc = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            self.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{i}.0/24", AvailabilityZone=f"{REGION}{zone}")
            for i, zone in enumerate("abc")
        ]
        data: dict[str, Any] = {"ImageId": "ami-1", "InstanceType": "t3.small", **_tagged("one")}
        made = self.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData=data)
        self.template = made["LaunchTemplate"]["LaunchTemplateId"]
        born_with = [
            {"LifecycleHookName": "up", "LifecycleTransition": LAUNCHING, "HeartbeatTimeout": 60},
            {"LifecycleHookName": "down", "LifecycleTransition": TERMINATING, "HeartbeatTimeout": 90},
        ]
        asked: dict[str, Any] = {
            "MinSize": 1,
            "MaxSize": 5,
            "DesiredCapacity": 3,
            "LaunchTemplate": {"LaunchTemplateId": self.template, "Version": "1"},
            "VPCZoneIdentifier": ",".join(subnet["Subnet"]["SubnetId"] for subnet in subnets),
            "LifecycleHookSpecificationList": born_with if hooks else [],
            **options,
        }
        self.api.create_auto_scaling_group(AutoScalingGroupName="g", **asked)

    def steps(self, seconds: float = 0.0) -> dict[str, str]:
        """Time passes, then everything comes to rest; id -> lifecycle state."""
        self.now += seconds
        for _ in range(6):
            step(ACCOUNT, REGION, lambda: self.now)
        return self.states()

    def states(self) -> dict[str, str]:
        (group,) = self.api.describe_auto_scaling_groups(AutoScalingGroupNames=["g"])["AutoScalingGroups"]
        return {one["InstanceId"]: one["LifecycleState"] for one in group["Instances"]}

    def complete(self, hook: str, *ids: str, result: str = "CONTINUE") -> None:
        for id in ids:
            self.api.complete_lifecycle_action(
                LifecycleHookName=hook, AutoScalingGroupName="g", InstanceId=id, LifecycleActionResult=result
            )

    def serving(self) -> list[str]:
        """Brings the first machines into service; their ids."""
        self.complete("up", *self.steps())
        return list(self.steps())

    def take(self, id: str) -> None:
        self.api.terminate_instance_in_auto_scaling_group(InstanceId=id, ShouldDecrementDesiredCapacity=True)

    def told(self, id: str) -> str:
        """What the instance's metadata say."""
        return next(target_state(one) for one in members(ACCOUNT, REGION) if one.instance_id == id)

    def warm(self) -> dict[str, str]:
        found = self.api.describe_warm_pool(AutoScalingGroupName="g")["Instances"]
        return {one["InstanceId"]: one["LifecycleState"] for one in found}

    def behind_a_balancer(self) -> str:
        """The group's instances are targets of a target group from now on; its ARN."""
        elb = boto3.client("elbv2", region_name=REGION)
        vpc = self.ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.9.0.0/16"]}])["Vpcs"][0]["VpcId"]
        made = elb.create_target_group(Name="t", Protocol="TCP", Port=4646, VpcId=vpc)["TargetGroups"][0]
        self.api.attach_load_balancer_target_groups(AutoScalingGroupName="g", TargetGroupARNs=[made["TargetGroupArn"]])
        return str(made["TargetGroupArn"])

    def running(self) -> set[str]:
        found = self.ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])
        return {one["InstanceId"] for each in found["Reservations"] for one in each["Instances"]}


def _tagged(bundle: str) -> dict[str, Any]:
    return {"TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "bundle", "Value": bundle}]}]}


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws(), installed():
        yield


@pytest.mark.usefixtures("region")
class TestGroups:
    def test_a_call_only_writes_down_what_is_wanted(self) -> None:
        scaling = Scaling()
        assert scaling.states() == {}
        assert len(scaling.steps()) == 3

    def test_machines_are_spread_over_the_subnets(self) -> None:
        Scaling().steps()
        assert {state.availability_zone for state in members(ACCOUNT, REGION)} == {f"{REGION}{zone}" for zone in "abc"}

    def test_without_hooks_nobody_waits(self) -> None:
        scaling = Scaling(hooks=False)
        assert set(scaling.steps().values()) == {"InService"}
        scaling.api.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=1)
        assert len(scaling.steps()) == len(scaling.running()) == 1

    def test_a_machine_waits_until_its_launch_is_completed(self) -> None:
        scaling = Scaling()
        first, *others = scaling.steps()
        assert set(scaling.states().values()) == {"Pending:Wait"}
        scaling.complete("up", first)
        assert scaling.steps() == {first: "InService", **dict.fromkeys(others, "Pending:Wait")}

    def test_a_launch_that_nobody_completes_ends_the_machine_and_begins_another(self) -> None:
        scaling = Scaling()
        before = set(scaling.steps())
        after = scaling.steps(seconds=61)
        assert len(after) == 3
        assert not before & set(after)
        assert scaling.running() == set(after)

    def test_a_launch_may_be_abandoned(self) -> None:
        scaling = Scaling()
        first, *_ = scaling.steps()
        scaling.complete("up", first, result="ABANDON")
        assert first not in scaling.steps()

    def test_a_heartbeat_begins_the_wait_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        scaling = Scaling()
        first, *_ = scaling.steps()
        monkeypatch.setattr("time.monotonic", lambda: 50.0)
        scaling.api.record_lifecycle_action_heartbeat(
            LifecycleHookName="up", AutoScalingGroupName="g", InstanceId=first
        )
        assert first in scaling.steps(seconds=61)
        assert first not in scaling.steps(seconds=50)

    def test_scale_in_goes_through_the_hook(self) -> None:
        scaling = Scaling()
        ids = scaling.serving()
        scaling.api.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=2)
        (leaving,) = [id for id, state in scaling.steps().items() if state == "Terminating:Wait"]
        assert leaving in scaling.running()
        assert [target_state(one) for one in members(ACCOUNT, REGION) if one.instance_id == leaving] == ["Terminated"]
        scaling.complete("down", leaving)
        assert set(scaling.steps()) == scaling.running() == set(ids) - {leaving}

    def test_the_hook_of_a_termination_has_an_end(self) -> None:
        scaling = Scaling()
        first, *_ = scaling.serving()
        scaling.api.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=True)
        scaling.steps()
        assert scaling.steps(seconds=89)[first] == "Terminating:Wait"
        assert first not in scaling.steps(seconds=2)

    def test_who_is_taken_away_without_decrement_has_a_successor(self) -> None:
        scaling = Scaling()
        first, *_ = scaling.serving()
        scaling.api.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=False)
        assert sorted(scaling.steps().values()) == ["InService", "InService", "Pending:Wait", "Terminating:Wait"]

    def test_the_least_size_is_kept(self) -> None:
        scaling = Scaling(MinSize=3)
        first, *_ = scaling.serving()
        with pytest.raises(ClientError, match="violate group's min size"):
            scaling.api.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=True)

    def test_a_dead_machine_is_replaced(self) -> None:
        scaling = Scaling()
        first, *_ = scaling.serving()
        scaling.ec2.stop_instances(InstanceIds=[first])
        states = scaling.steps()
        assert states[first] == "Terminating:Wait"
        assert sorted(states.values()) == ["InService", "InService", "Pending:Wait", "Terminating:Wait"]

    def test_protected_machines_stay_at_scale_in(self) -> None:
        scaling = Scaling(NewInstancesProtectedFromScaleIn=True)
        ids = scaling.serving()
        scaling.api.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=1)
        assert scaling.steps() == dict.fromkeys(ids, "InService")

    def test_machines_are_made_from_the_pinned_version(self) -> None:
        scaling = Scaling()
        scaling.serving()
        data: dict[str, Any] = {"ImageId": "ami-2", "InstanceType": "m", "UserData": "dHdv", **_tagged("two")}
        scaling.ec2.create_launch_template_version(LaunchTemplateId=scaling.template, LaunchTemplateData=data)
        scaling.ec2.modify_launch_template(LaunchTemplateId=scaling.template, DefaultVersion="2")
        scaling.api.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=4)
        assert len(scaling.steps()) == 4
        assert self._bundles() == ["one"] * 4
        scaling.api.update_auto_scaling_group(
            AutoScalingGroupName="g", LaunchTemplate={"LaunchTemplateId": scaling.template, "Version": "2"}
        )
        scaling.api.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=5)
        scaling.steps()
        assert self._bundles() == ["one"] * 4 + ["two"]
        scripts = [one.instance.user_data for one in members(ACCOUNT, REGION) if one.instance.user_data]
        assert [script.decode() for script in scripts] == ["two"]

    def _bundles(self) -> list[str]:
        tags = [one.instance.get_tags() for one in members(ACCOUNT, REGION)]
        return sorted(tag["value"] for found in tags for tag in found if tag["key"] == "bundle")

    def test_no_action_is_completed_twice_or_for_another_hook(self) -> None:
        scaling = Scaling()
        first, second, _ = scaling.steps()
        scaling.complete("up", first)
        scaling.steps()
        for id, hook in ((first, "up"), (second, "down"), ("i-0", "up")):
            with pytest.raises(ClientError, match=r"No active Lifecycle Action|No managed instance"):
                scaling.complete(hook, id)

    def test_a_group_with_machines_is_deleted_by_force_only(self) -> None:
        scaling = Scaling()
        scaling.serving()
        with pytest.raises(ClientError, match="instances still in the group"):
            scaling.api.delete_auto_scaling_group(AutoScalingGroupName="g")
        scaling.api.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
        assert scaling.running() == set()

    def test_machines_in_service_are_the_targets(self) -> None:
        scaling = Scaling()
        elb, arn = boto3.client("elbv2", region_name=REGION), scaling.behind_a_balancer()

        def targets() -> set[str]:
            health = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
            return {one["Target"]["Id"] for one in health}

        scaling.steps()
        assert targets() == set()
        first, *others = scaling.serving()
        assert targets() == {first, *others}
        scaling.api.terminate_instance_in_auto_scaling_group(InstanceId=first, ShouldDecrementDesiredCapacity=True)
        scaling.steps()
        assert targets() == set(others)


@pytest.fixture
def region_that(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Scaling]]:
    """A region that behaves so, with one group in it; what else is given is the group's."""
    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as ending:

        def begin(behaviour: Behaviour | None = None, **options: Any) -> Scaling:
            ending.enter_context(mock_aws())
            ending.enter_context(installed(behaviour or Behaviour()))
            return Scaling(**options)

        yield begin


Region = Callable[..., Scaling]


class TestBehaviour:
    """What an account does besides; each once by itself."""

    def test_target_groups_are_left_before_the_hook_and_the_metadata_know_first(self, region_that: Region) -> None:
        scaling = region_that(Behaviour(drain=30, flip=10))
        scaling.behind_a_balancer()
        first, *_ = scaling.serving()
        scaling.take(first)
        assert scaling.steps()[first] == "Terminating"
        assert scaling.told(first) == "InService"
        assert scaling.steps(seconds=11)[first] == "Terminating"
        assert scaling.told(first) == "Terminated"
        with pytest.raises(ClientError, match="No active Lifecycle Action"):
            scaling.complete("down", first)
        assert scaling.steps(seconds=20)[first] == "Terminating:Wait"
        assert scaling.steps(seconds=89)[first] == "Terminating:Wait", "the hook's time begins only now"
        scaling.complete("down", first)
        assert first not in scaling.steps()

    def test_metadata_may_know_after_the_group_waits(self, region_that: Region) -> None:
        scaling = region_that(Behaviour(flip=10))
        first, *_ = scaling.serving()
        scaling.take(first)
        assert scaling.steps()[first] == "Terminating:Wait"
        assert scaling.told(first) == "InService"
        scaling.steps(seconds=10)
        assert scaling.told(first) == "Terminated"

    def test_who_was_no_target_has_nothing_to_leave(self, region_that: Region) -> None:
        scaling = region_that(Behaviour(drain=30))
        scaling.behind_a_balancer()
        first, *_ = scaling.steps()
        scaling.take(first)
        assert scaling.steps()[first] == "Terminating:Wait"

    @pytest.mark.parametrize("passes", [True, False])
    def test_an_abandoned_launch_passes_the_other_hook_or_does_not(self, region_that: Region, passes: bool) -> None:
        scaling = region_that(Behaviour(hook_after_abandon=passes))
        first, *_ = scaling.steps()
        scaling.complete("up", first, result="ABANDON")
        assert scaling.steps().get(first) == ("Terminating:Wait" if passes else None)

    def test_a_machine_that_ends_before_it_is_in_service_is_held_for_the_whole_hook(self, region_that: Region) -> None:
        scaling = region_that()
        first, *_ = scaling.steps()
        scaling.ec2.terminate_instances(InstanceIds=[first])
        assert scaling.steps(seconds=59)[first] == "Pending:Wait"
        assert first not in scaling.steps(seconds=2)

    def test_launches_fail_for_a_while_and_the_group_says_why(self, region_that: Region) -> None:
        scaling = region_that(Behaviour(seed=1, failing=0.5), hooks=False)
        scaling.steps()
        told = scaling.api.describe_scaling_activities(AutoScalingGroupName="g")["Activities"]
        failed = [one for one in told if one["StatusCode"] == "Failed"]
        assert failed and "do not have sufficient capacity" in failed[0]["StatusMessage"]
        assert [one["StatusCode"] for one in told].count("Successful") == 3
        assert set(scaling.steps().values()) == {"InService"}
        (last,) = scaling.api.describe_scaling_activities(AutoScalingGroupName="g", MaxRecords=1)["Activities"]
        assert last == told[0]


class TestWarmPool:
    def test_it_is_as_large_as_the_group_may_grow_unless_it_is_told(self, region_that: Region) -> None:
        scaling = region_that(hooks=False)
        scaling.steps()
        scaling.api.put_warm_pool(AutoScalingGroupName="g", MinSize=1)
        scaling.steps()
        assert len(scaling.warm()) == 2, "five at most, three wanted"
        scaling.api.put_warm_pool(AutoScalingGroupName="g", MinSize=1, MaxGroupPreparedCapacity=1)
        scaling.steps()
        assert len(scaling.warm()) == 1

    def test_a_machine_waits_at_the_hook_is_stopped_and_waits_again_when_it_is_wanted(
        self, region_that: Region
    ) -> None:
        scaling = region_that()
        scaling.serving()
        scaling.api.put_warm_pool(AutoScalingGroupName="g", MinSize=1, MaxGroupPreparedCapacity=1, PoolState="Stopped")
        scaling.steps()
        ((spare, state),) = scaling.warm().items()
        assert state == "Warmed:Pending:Wait"
        assert scaling.told(spare) == "Warmed:Stopped"
        scaling.complete("up", spare)
        scaling.steps()
        assert scaling.warm() == {spare: "Warmed:Stopped"}
        assert spare not in scaling.running()
        assert spare not in scaling.states()
        scaling.api.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=4)
        assert scaling.steps()[spare] == "Pending:Wait"
        assert spare in scaling.running()
        assert spare not in scaling.warm()

    def test_a_stopped_machine_that_goes_is_held_at_the_hook_where_nobody_can_answer(self, region_that: Region) -> None:
        ours = [
            {"LifecycleHookName": hook.name, "LifecycleTransition": hook.transition, "HeartbeatTimeout": hook.seconds}
            for hook in HOOKS
        ]
        scaling = region_that(LifecycleHookSpecificationList=ours)
        scaling.complete(groups.LAUNCH_HOOK, *scaling.steps())
        scaling.api.put_warm_pool(AutoScalingGroupName="g", MinSize=1, MaxGroupPreparedCapacity=1)
        scaling.steps()
        scaling.complete(groups.LAUNCH_HOOK, *scaling.warm())
        scaling.steps()
        (spare,) = scaling.warm()
        scaling.api.delete_warm_pool(AutoScalingGroupName="g")
        scaling.steps()
        assert scaling.warm() == {spare: "Warmed:Terminating:Wait"}
        (group,) = groups.groups(scaling.api, ["g"]).values()
        groups.let_go_of_dead(scaling.ec2, scaling.api, replace(group, warm=True))
        scaling.steps()
        assert scaling.warm() == {}


def test_a_seed_makes_a_run_repeatable() -> None:
    one, same, other = (Behaviour.of(seed) for seed in (1, 1, 2))
    assert one == same != other

    def turns(behaviour: Behaviour) -> list[bool]:
        return [behaviour.happens("launch", 0.3) for _ in range(50)]

    first = turns(one)
    assert same.happens("something else", 0.5) in (True, False)
    assert turns(same) == first, "whatever else was decided meanwhile"
    assert turns(other) != first
    assert 5 < sum(first) < 25
