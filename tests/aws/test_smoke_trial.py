"""A smoke run as moto has it: what is seen of a machine, and what each thing that it says means."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from hashistack.aws.smoke import trial
from hashistack.aws.smoke.program import RUN
from hashistack.aws.smoke.trial import AwsTrial
from hashistack.component.findings import Finding

from .plan import REGION

WELL = "well id=i name=server-1 ip=10.0.0.4 bundle=b consul=c"


class Account:
    """One machine in a group with a target group, and what its probe has put into the bucket."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.s3, ec2 = boto3.client("s3", region_name=REGION), boto3.client("ec2", region_name=REGION)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="things")
        script = b64encode(b"#!/bin/sh\nHS_REGION=x\nHS_BUCKET=things\n").decode()
        image = ec2.describe_images()["Images"][0]["ImageId"]
        template = ec2.create_launch_template(
            LaunchTemplateName="t",
            LaunchTemplateData={
                "ImageId": image,
                "UserData": script,
                "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": RUN, "Value": "a1"}]}],
            },
        )["LaunchTemplate"]["LaunchTemplateId"]
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        target = boto3.client("elbv2", region_name=REGION).create_target_group(
            Name="t", Protocol="TCP", Port=4646, VpcId=vpc
        )["TargetGroups"][0]["TargetGroupArn"]
        autoscaling = boto3.client("autoscaling", region_name=REGION)
        autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="g",
            LaunchTemplate={"LaunchTemplateId": template},
            MinSize=0,
            MaxSize=2,
            DesiredCapacity=1,
            AvailabilityZones=[f"{REGION}a"],
            TargetGroupARNs=[target],
            Tags=[{"Key": RUN, "Value": "a1", "PropagateAtLaunch": True}],
        )
        group = autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]
        self.machine, self._lines = str(group["Instances"][0]["InstanceId"]), list[str]()
        now = SimpleNamespace(at=1000.0)
        monkeypatch.setattr(trial, "time", SimpleNamespace(monotonic=lambda: now.at, sleep=self._slept(now)))
        self.trial = AwsTrial("a1", {"aws:region": REGION}, clock=lambda: now.at)
        self.now = now

    def _slept(self, now: SimpleNamespace) -> Callable[[float], None]:
        def sleep(seconds: float) -> None:
            now.at += seconds

        return sleep

    def says(self, *lines: str) -> None:
        self._lines += [f"{self.now.at:.0f} {line}" for line in lines]
        body = "\n".join([*self._lines, ""]).encode()
        self.s3.put_object(Bucket="things", Key=f"snapshots/smoke-{self.machine}.txt", Body=body)

    def reboots(self, *lines: str) -> None:
        """What the probe says after a reboot, which moto has no machine for."""

        def reboot(InstanceIds: list[str]) -> None:
            assert InstanceIds == [self.machine]
            self.says(*lines)

        self.trial._ec2 = _With(self.trial._ec2, reboot_instances=reboot)

    def lived(self) -> dict[str, Finding]:
        return {one.sentence: one for one in self.trial.go(lambda text: None)}


class _With:
    def __init__(self, other: Any, **ours: Any) -> None:
        self._other = other
        self.__dict__.update(ours)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._other, name)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Account(monkeypatch)


def test_each_source_is_seen_and_each_line_once(account: Account) -> None:
    account.says("started", "metadata InService")
    account.trial.look()
    account.trial.look()
    account.says(WELL)
    account.trial.look()
    seen = [(one.source, one.what.removeprefix(f"{account.machine} ")) for one in account.trial.timeline.events]
    assert seen == [
        ("EC2", "running"),
        ("group", "InService"),
        ("target groups", "1 healthy of 1"),
        ("machine", "started"),
        ("machine", "metadata InService"),
        ("machine", WELL),
    ]


@pytest.mark.parametrize(
    ("said", "ok", "means"),
    [
        ("resolver dhcpcd renewed ours answered", True, ""),
        ("resolver dhcpcd renewed another silent", False, "names of .consul are lost"),
        ("resolver dhcpcd renewed ours silent", False, "names of .consul are lost"),
        ("resolver udhcpc told ours answered", None, "no file of leases shows"),
        ("unrenewed no DHCP client that can be told to runs here", None, "renew it by hand"),
        ("something else", None, "the probe hangs"),
    ],
)
def test_what_a_renewed_lease_means(account: Account, said: str, ok: bool | None, means: str) -> None:
    account.says("started", WELL, said)
    account.reboots("started", WELL)
    found = account.lived()["its resolver stays ours when its lease is renewed"]
    assert found.ok is ok
    assert means in found.remedy


@pytest.mark.parametrize(
    ("lines", "ok", "told"),
    [
        (("started", WELL), True, "well again after"),
        (("started", WELL.replace("consul=c", "consul=d")), False, "consul=d"),
        (("restarted", WELL), False, "not within 900 s"),  # the probe alone: the machine never went down
        ((), False, "not within 900 s"),
    ],
)
def test_a_machine_that_comes_back_is_the_one_that_went(
    account: Account, lines: tuple[str, ...], ok: bool, told: str
) -> None:
    account.says("started", WELL, "unrenewed x")
    account.reboots(*lines)
    found = account.lived()["it comes back from a reboot as who it was"]
    assert found.ok is ok
    assert told in found.detail


def test_a_machine_that_was_never_at_a_hook_did_not_hold(account: Account) -> None:
    """moto's groups have no hooks that hold."""
    account.says("started", WELL, "unrenewed x")
    account.reboots("started", WELL)
    found = account.lived()
    assert found["it boots by our user data, fetches bundle and secret, and is in service once it is well"].ok is False
    assert found["the load balancer's health checks find it"].ok is True
    assert found["it leaves, and completes its termination hook itself"].ok is None
