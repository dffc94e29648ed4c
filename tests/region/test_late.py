"""What comes late, and what is refused for a while, as an SDK and a machine meet it."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from .behaviour import Behaviour
from .front import Seen
from .late import installed
from .test_front import REGION, World, world  # noqa: F401 (fixture)


def test_the_first_object_of_a_bucket_has_no_version_and_is_found_as_null(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    now = [0.0]
    with mock_aws(), installed(Behaviour(versioning=10), lambda: now[0]):
        s3 = boto3.client("s3", region_name=REGION)
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        assert s3.get_bucket_versioning(Bucket="bucket")["Status"] == "Enabled", "it says so at once"
        now[0] = 9
        assert "VersionId" not in s3.put_object(Bucket="bucket", Key="k", Body=b"first")
        assert s3.get_object(Bucket="bucket", Key="k", VersionId="null")["Body"].read() == b"first"
        now[0] = 11
        assert s3.put_object(Bucket="bucket", Key="k", Body=b"second")["VersionId"]
        assert s3.get_object(Bucket="bucket", Key="k", VersionId="null")["Body"].read() == b"first"
        for version in s3.list_object_versions(Bucket="bucket")["Versions"]:
            s3.delete_object(Bucket="bucket", Key="k", VersionId=version["VersionId"])
        s3.delete_bucket(Bucket="bucket")


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("ec2", "RequestLimitExceeded", 503),
        ("autoscaling", "Throttling", 400),
        ("s3", "SlowDown", 503),
        ("secretsmanager", "ThrottlingException", 400),
    ],
)
def test_too_many_calls_are_refused_as_each_service_does(service: str, code: str, status: int) -> None:
    refused = Behaviour(throttled=1).refusal(Seen("operator", service, "Any"), float("inf"))
    assert refused is not None and (refused.code, refused.status) == (code, status)


def test_a_new_role_is_denied_everything_for_a_while_and_users_are_not() -> None:
    behaviour = Behaviour(permissions=10)
    seen = Seen("i-1", "secretsmanager", "GetSecretValue")
    refused = behaviour.refusal(seen, 9)
    assert refused is not None and refused.code == "AccessDeniedException"
    assert behaviour.refusal(seen, 11) is None
    assert behaviour.refusal(seen, float("inf")) is None


def test_a_refusal_reaches_who_asks_and_is_not_held_against_him(world: World) -> None:  # noqa: F811
    world.front.refusal = lambda seen: Behaviour(throttled=1).refusal(seen, float("inf"))
    asked = {
        "RequestLimitExceeded": ("ec2", "describe_vpcs"),
        "Throttling": ("autoscaling", "describe_auto_scaling_groups"),
        "SlowDown": ("s3", "list_buckets"),
        "ThrottlingException": ("secretsmanager", "list_secrets"),
    }
    for code, (service, ask) in asked.items():
        with pytest.raises(ClientError) as refused:
            getattr(world.client(service, world.keyring.issue("operator", None)), ask)()
        assert refused.value.response["Error"]["Code"] == code, "by its code an SDK asks again"
    assert world.front.refused == []
