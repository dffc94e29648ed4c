"""The front as an SDK meets it: nothing passes that is not signed by who was given keys."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from ..box.authority import Authority
from .front import Front, Seen
from .signatures import Credentials, Keyring

REGION = "eu-central-1"


class World:
    def __init__(self, directory: Path) -> None:
        self.authority, self.keyring = Authority(directory), Keyring()
        context = self.authority.server(["*.amazonaws.com"], "127.0.0.1")
        self.front = Front("127.0.0.1", context, self.keyring, port=0)

    def client(self, service: str, keys: Credentials) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.front.url,
            verify=str(self.authority.pem),
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            aws_session_token=keys.token or None,
            config=Config(retries={"max_attempts": 1, "mode": "standard"}),
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with mock_aws(config={"core": {"passthrough": {"urls": ["https://127.0.0.1.*"]}}}):
        made = World(tmp_path)
        yield made
        made.front.close()


def test_every_service_answers_who_signs_well(world: World) -> None:
    keys = world.keyring.issue("operator", None)
    world.client("s3", keys).create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    world.client("s3", keys).put_object(Bucket="bucket", Key="tools/x y+z", Body=b"text")
    assert world.client("s3", keys).get_object(Bucket="bucket", Key="tools/x y+z")["Body"].read() == b"text"
    assert world.client("ec2", keys).describe_vpcs()["Vpcs"]
    assert world.client("kms", keys).create_key()["KeyMetadata"]["Enabled"]
    assert world.client("secretsmanager", keys).create_secret(Name="n", SecretString="s")["ARN"]
    assert world.client("iam", keys).list_roles()["Roles"] == []
    assert world.client("autoscaling", keys).describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert world.front.refused == []
    assert {seen.whose for seen in world.front.seen} == {"operator"}
    assert Seen("operator", "kms", "CreateKey") in world.front.seen
    assert Seen("operator", "ec2", "DescribeVpcs") in world.front.seen


def test_an_instance_is_known_by_its_session(world: World) -> None:
    world.client("ec2", world.keyring.issue("i-1")).describe_vpcs()
    assert world.front.seen == [Seen("i-1", "ec2", "DescribeVpcs")]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda keys: Credentials(keys.access_key, "another", keys.token), "SignatureDoesNotMatch"),
        (lambda keys: Credentials(keys.access_key, keys.secret_key), "UnrecognizedClientException"),
        (lambda keys: Credentials("ASIAUNKNOWNUNKNOWN22", keys.secret_key, keys.token), "UnrecognizedClientException"),
    ],
    ids=["another secret", "no session token", "keys of nobody"],
)
def test_a_bad_signature_is_refused_and_kept(world: World, wrong: Any, code: str) -> None:
    with pytest.raises(ClientError) as refused:
        world.client("ec2", wrong(world.keyring.issue("i-1"))).describe_vpcs()
    assert refused.value.response["Error"]["Code"] == code
    assert [line.partition(":")[0] for line in world.front.refused] == [code]


def test_what_is_not_signed_is_refused(world: World) -> None:
    trust = ssl.create_default_context(cafile=str(world.authority.pem))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{world.front.url}/bucket/key", context=trust)  # noqa: S310 (https, to ourselves)
    assert refused.value.code == 403
    refused.value.close()
    assert world.front.refused


def test_a_machine_may_not_ask_what_is_not_in_the_model(world: World) -> None:
    api = world.client("ec2", world.keyring.issue("i-1"))
    api.meta.events.register(
        "before-call.ec2.DescribeVpcs", lambda params, **_: params["body"].update({"Nonsense": "1"})
    )
    with pytest.raises(ClientError, match="Nonsense"):
        api.describe_vpcs()


def test_a_service_may_be_down(world: World) -> None:
    world.front.outage = lambda seen: 503 if seen.service == "ec2" else None
    keys = world.keyring.issue("i-1")
    with pytest.raises(ClientError) as refused:
        world.client("ec2", keys).describe_vpcs()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert world.client("autoscaling", keys).describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_what_moto_lacks_is_not_implemented(world: World) -> None:
    api = world.client("service-quotas", world.keyring.issue("operator", None))
    with pytest.raises(ClientError, match="has not been implemented") as refused:
        api.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode="L-1216C47A")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
