"""The stack of a smoke run: a cluster like any other, but for the probe."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from hashistack import AwsCluster, AwsClusterArgs
from hashistack.aws.smoke import program, remains
from hashistack.testing import Aws, record

from .plan import REGION

LIMIT_BYTES = 16384
"""EC2's, before it is in base64. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html"""


def scripts(declare: object) -> dict[str, str]:
    made = record(declare, Aws())  # type: ignore[arg-type]
    return {
        each.name: b64decode(each.inputs["userData"]).decode()
        for each in made.resources
        if each.type == "aws:ec2/launchTemplate:LaunchTemplate"
    }


def test_machines_run_the_clusters_own_first_script_behind_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    def plain() -> None:
        AwsCluster("smoke", AwsClusterArgs(program.spec(), image="alpine", protect=False, tags={program.RUN: "a1"}))

    own = scripts(plain)
    monkeypatch.setattr("pulumi.Config.require", lambda self, name: {"image": "alpine", "run": "a1"}[name])
    probed = scripts(program.declare)
    assert own.keys() == probed.keys()
    for name, script in probed.items():
        first, rest = own[name].split("\n", 1)
        assert script.startswith(first)
        assert script.endswith(f"\n{rest}")
        assert "#!/bin/sh\n# smoke: " in script
        assert len(script.encode()) < LIMIT_BYTES


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    monkeypatch.setattr(remains, "_LISTED_SECONDS", 0.0)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.Session(region_name=REGION)


def test_what_is_left_of_a_run_is_named_and_what_is_another_runs_is_not(account: boto3.Session) -> None:
    ec2, iam = account.client("ec2"), account.client("iam")
    assert remains.left(account, REGION, "a1") == []
    image = ec2.describe_images()["Images"][0]["ImageId"]
    for run in ("a1", "b2"):
        tags = [{"Key": program.RUN, "Value": run}]
        ec2.run_instances(
            ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}]
        )
        iam.create_role(RoleName=f"smoke-identity-{run}", AssumeRolePolicyDocument="{}", Tags=tags)
    instance, role = remains.left(account, REGION, "a1")
    assert role == "role smoke-identity-a1"
    ec2.terminate_instances(InstanceIds=[instance.rpartition("/")[2]])
    iam.delete_role(RoleName="smoke-identity-a1")
    assert remains.left(account, REGION, "a1") == []
    assert len(remains.left(account, REGION, "b2")) == 2


def test_a_key_that_waits_for_its_deletion_is_not_left(account: boto3.Session) -> None:
    kms = account.client("kms")
    key = kms.create_key(Tags=[{"TagKey": program.RUN, "TagValue": "a1"}])["KeyMetadata"]["KeyId"]
    (left,) = remains.left(account, REGION, "a1")
    assert key in left
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert remains.left(account, REGION, "a1") == []
