"""The stand-in for AWS's provider under the real engine: what it makes is in moto, and changes are changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ..box.authority import Authority
from ..box.prod import plugin
from ..provider.conftest import Project, project, pulumi_command  # noqa: F401 (fixtures)
from .front import Front
from .lifecycle import installed
from .plugin.shapes import shaped
from .signatures import Keyring

REGION = "eu-central-1"
PROGRAM = """\
import pulumi
import pulumi_aws as aws

from hashistack.aws.pools.in_service import AwsInService

vpc = aws.ec2.Vpc("vpc", cidr_block="10.9.0.0/16")
zone = aws.get_availability_zones().names[0]
subnet = aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block="10.9.0.0/24", availability_zone=zone)
group = aws.ec2.SecurityGroup("machines", vpc_id=vpc.id)
bucket = aws.s3.Bucket("things", force_destroy=True)
aws.s3.BucketObjectv2("one", bucket=bucket.id, key="one", source=pulumi.StringAsset("{text}"))
secret = aws.secretsmanager.Secret("document", recovery_window_in_days=0)
aws.secretsmanager.SecretVersion("document", secret_id=secret.id, secret_string=pulumi.Output.secret("hush"))
image = aws.ec2.get_ami(owners=["1"], filters=[dict(name="name", values=["alpine-*"])])
template = aws.ec2.LaunchTemplate(
    "template",
    name_prefix="pool-",
    image_id=image.id,
    instance_type="{kind}",
    network_interfaces=[dict(device_index=0, associate_public_ip_address="false", security_groups=[group.id])],
    tag_specifications=[dict(resource_type="instance", tags=dict(bundle="{text}"))],
    tags=dict(note="{note}"),
)
pool = aws.autoscaling.Group(
    "pool",
    min_size=0,
    max_size=3,
    desired_capacity=0,
    vpc_zone_identifiers=[subnet.id],
    launch_template=dict(id=template.id, version=template.latest_version.apply(lambda v: f"{{v:.0f}}")),
    instance_maintenance_policy=dict(min_healthy_percentage=100, max_healthy_percentage=134),
    wait_for_capacity_timeout="0",
    initial_lifecycle_hooks=[dict(name="up", lifecycle_transition="autoscaling:EC2_INSTANCE_LAUNCHING")],
    tags=[dict(key="k", value="v", propagate_at_launch=True)],
)
AwsInService("pool", pool, None)
pulumi.export("bucket", bucket.id)
pulumi.export("pool", pool.name)
pulumi.export("template", template.id)
pulumi.export("version", template.latest_version)
pulumi.export("secret", secret.arn)
"""


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    authority, keyring = Authority(tmp_path), Keyring()
    keys = keyring.issue("operator", None)
    for name, value in {"ACCESS_KEY_ID": keys.access_key, "SECRET_ACCESS_KEY": keys.secret_key}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    core = {"mock_credentials": False, "passthrough": {"urls": ["https://127.0.0.1.*"]}}
    with mock_aws(config={"core": core}), installed():
        made = Front("127.0.0.1", authority.server(["localhost"], "127.0.0.1"), keyring, port=0)
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))
        monkeypatch.setenv("AWS_REGION", REGION)
        yield made
        made.close()


@pytest.fixture
def stack(front: Front, project: Project, tmp_path: Path) -> Project:  # noqa: F811
    plugins = plugin(tmp_path / "plugin", "aws", "tests.region.plugin.server")
    project.environment["PATH"] = f"{plugins}:{project.environment['PATH']}"
    return project


def test_a_stack_is_made_changed_and_removed(stack: Project, front: Front) -> None:
    s3, ec2, asg, secrets = (
        boto3.client(name, region_name=REGION) for name in ("s3", "ec2", "autoscaling", "secretsmanager")
    )
    before = {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]}
    stack.write(PROGRAM.format(text="first", kind="t3.small", note="a"))
    stack.up()
    made = stack.outputs()
    assert s3.get_object(Bucket=made["bucket"], Key="one")["Body"].read() == b"first"
    assert secrets.get_secret_value(SecretId=made["secret"])["SecretString"] == "hush"
    assert _data(ec2, made)["InstanceType"] == "t3.small"
    (group,) = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[made["pool"]])["AutoScalingGroups"]
    assert group["LaunchTemplate"]["Version"] == "1"
    (hook,) = asg.describe_lifecycle_hooks(AutoScalingGroupName=made["pool"])["LifecycleHooks"]
    assert hook["LifecycleHookName"] == "up"

    stack.write(PROGRAM.format(text="first", kind="t3.small", note="b"))
    assert "~ 1 updated" in stack.up()  # a template's own tags make no version
    assert stack.outputs()["version"] == 1

    stack.write(PROGRAM.format(text="second", kind="m5.large", note="b"))
    assert "replaced" not in stack.up()
    assert stack.outputs() == {**made, "version": 2}
    assert s3.get_object(Bucket=made["bucket"], Key="one")["Body"].read() == b"second"
    assert _data(ec2, made)["InstanceType"] == "m5.large"
    (group,) = asg.describe_auto_scaling_groups(AutoScalingGroupNames=[made["pool"]])["AutoScalingGroups"]
    assert group["LaunchTemplate"]["Version"] == "2"

    assert "hush" not in stack.run("stack", "export")
    stack.run("destroy", "--yes", "--skip-preview")
    assert {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]} == before
    assert s3.list_buckets()["Buckets"] == []
    assert asg.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert front.refused == []


def test_an_input_that_the_api_lacks_is_an_error() -> None:
    operation = boto3.client("ec2", region_name=REGION).meta.service_model.operation_model("CreateLaunchTemplate")
    data = operation.input_shape.members["LaunchTemplateData"]
    assert shaped(data, {"ebsOptimized": "true", "imageId": None}) == {"EbsOptimized": True}
    with pytest.raises(KeyError, match="has no machineKind"):
        shaped(data, {"machineKind": "t3.small"})


def _data(ec2: Any, made: dict[str, Any]) -> dict[str, Any]:
    found = ec2.describe_launch_template_versions(LaunchTemplateId=made["template"], Versions=["$Latest"])
    data: dict[str, Any] = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    return data
