"""What is left of a cluster in its account, against moto."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest

from hashistack.aws.operations import AwsOperations
from hashistack.aws.ops import session
from hashistack.aws.ops.leftovers import left
from hashistack.ops.rollout.driver import DriverFailed
from hashistack.platforms import Stack

from .conftest import REGION, SITE, Site


def test_instances_and_volumes_with_the_clusters_tag_are_left(aws: boto3.Session) -> None:
    site = Site(aws)
    site.pool("web", 1)
    cluster = site.connection()
    (instance,) = [one["InstanceId"] for one in site.ec2.describe_instances()["Reservations"][0]["Instances"]]
    zone = f"{REGION}a"
    ours, theirs = (
        site.ec2.create_volume(AvailabilityZone=zone, Size=1, TagSpecifications=[
            {"ResourceType": "volume", "Tags": [{"Key": "hashistack:cluster", "Value": value}]}
        ])["VolumeId"]
        for value in (SITE, "other-ffff")
    )  # fmt: skip
    found = left(cluster, aws)
    assert found == [f"instance {instance} in {REGION}", f"volume {ours} in {REGION}"]
    assert theirs not in "".join(found)
    site.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=site.group("web"), ForceDelete=True)
    site.ec2.delete_volume(VolumeId=ours)
    assert left(cluster, aws) == []


def test_the_proof_says_no_more_than_was_looked_at(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(aws)
    site.pool("web", 0)
    known = Stack(Path("/p"), "p/s", (site.connection(),))
    assert AwsOperations().proof(known) == "no instance or volume of it is left"
    assert AwsOperations().left(known) == []
    assert AwsOperations().proof(Stack(Path("/p"), "p/s")) == "the stack is empty"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setattr(session, "session", lambda *asked: boto3.Session(profile_name="nobody"))
    with pytest.raises(DriverFailed, match=r"whether something of prod-1a2b is left can't be seen: .*nobody"):
        AwsOperations().left(known)
