"""An AWS without an account: moto in this process, with a cluster's groups in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import botocore.session
import pytest
from moto import mock_aws
from moto.autoscaling.models import autoscaling_backends
from moto.core import DEFAULT_ACCOUNT_ID

from hashistack.aws.ops.driver import AwsDriver
from hashistack.ops.api.connection import Connection

from .lifecycle import Lifecycle

REGION, SITE = "eu-central-1", "prod-1a2b"
IMAGE = "ami-12c6146b"
"""The one that there is: tests/images.json."""
OLD, NEW = "a" * 64, "b" * 64


@pytest.fixture(scope="session")
def descriptions() -> Any:
    """What botocore knows of AWS's calls: each session reads it anew, unless it is given."""
    return botocore.session.Session().get_component("data_loader")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, descriptions: Any) -> Iterator[boto3.Session]:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws(config={"core": {"mock_credentials": False}}):
        session = botocore.session.Session()
        session.register_component("data_loader", descriptions)
        yield boto3.Session(region_name=REGION, botocore_session=session)


@pytest.fixture
def lifecycle(monkeypatch: pytest.MonkeyPatch) -> Lifecycle:
    made = Lifecycle()
    made.install(monkeypatch)
    return made


@dataclass
class Site:
    """One cluster in moto: groups as the stack makes them, and the connection that the stack would output."""

    session: boto3.Session
    pools: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ec2, self.autoscaling = self.session.client("ec2"), self.session.client("autoscaling")
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        self.image = IMAGE

    def template(self, pool: str, bundle: str, **tags: str) -> dict[str, Any]:
        """A launch template, or the next version of it, that tags what it makes."""
        said = {"hashistack:cluster": SITE, "hashistack:pool": pool, "hashistack:bundle": bundle, **tags}
        data: Any = {
            "ImageId": self.image,
            "InstanceType": "t3.small",
            "TagSpecifications": [
                {"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in said.items()]}
            ],
        }
        name = f"{SITE}-{pool}"
        try:
            made = self.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]
            return {"id": made["LaunchTemplateId"], "version": "1"}
        except self.ec2.exceptions.ClientError:
            again = self.ec2.create_launch_template_version(LaunchTemplateName=name, LaunchTemplateData=data)
            version = again["LaunchTemplateVersion"]
            return {"id": version["LaunchTemplateId"], "version": str(version["VersionNumber"])}

    def pool(
        self, name: str, count: int, *, role: str = "client", least: int = 0, most: int = 4, bundle: str = OLD
    ) -> None:
        """A pool as declared, with its group and its machines."""
        template = self.template(name, bundle)
        group = f"{SITE}-{name}-0f1e2d3"
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=group,
            LaunchTemplate={"LaunchTemplateId": template["id"], "Version": template["version"]},
            MinSize=least,
            MaxSize=most,
            DesiredCapacity=count,
            VPCZoneIdentifier=self.subnet,
        )
        known = {"region": REGION, "group": group, "launch_template": template}
        self.pools.append({"name": name, "role": role, "count": count, "bundle": bundle, "template": known})

    def declare(self, name: str, bundle: str, **tags: str) -> None:
        """`pulumi up` with another bundle (or other tags): the group's template has a new version, nothing rolls."""
        template = self.template(name, bundle, **tags)
        declared = next(pool for pool in self.pools if pool["name"] == name)
        declared["bundle"], declared["template"]["launch_template"] = bundle, template
        self.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=self.group(name),
            LaunchTemplate={"LaunchTemplateId": template["id"], "Version": template["version"]},
        )

    def group(self, pool: str) -> str:
        return next(str(one["template"]["group"]) for one in self.pools if one["name"] == pool)

    def desired(self, pool: str) -> int:
        said = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.group(pool)])
        return said["AutoScalingGroups"][0]["DesiredCapacity"]

    def put(self, name: str, state: str) -> None:
        """Set the lifecycle state of a machine, which moto itself never changes."""
        groups = autoscaling_backends[DEFAULT_ACCOUNT_ID][REGION].autoscaling_groups.values()
        states = [one for group in groups for one in group.instance_states]
        next(one for one in states if one.instance.id == instance_id(name)).lifecycle_state = state

    def connection(self, **more: Any) -> Connection:
        endpoint = {"addresses": ["https://127.0.0.1:1"], "token": "", "username": "", "password": ""}
        texts = dict.fromkeys(("datacenter", "region", "ca_pem", "operator_cert_pem", "operator_key_pem"), "")
        apis = dict.fromkeys(("nomad", "consul", "vault"), endpoint)
        return Connection.parse({**texts, **apis, "name": SITE, "provider": "aws", "pools": self.pools, **more})

    def driver(self) -> AwsDriver:
        return AwsDriver(self.connection(), self.session)


def instance_id(name: str) -> str:
    return f"i-{name.rpartition('-')[2]}"


@pytest.fixture
def site(aws: boto3.Session) -> Site:
    return Site(aws)
