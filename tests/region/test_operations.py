"""Reading calls: what an SDK sends is read as what it was asked for, and what no SDK would send is not taken."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest

from .operations import Call, NotInTheModel, call
from .signatures import Request

CALLS = [
    Call("ec2", "DescribeInstances", {"Filters": [{"Name": "tag:a", "Values": ["1", "2"]}, {"Name": "b"}]}),
    Call(
        "ec2",
        "RunInstances",
        {"MinCount": 1, "MaxCount": 2, "DryRun": True, "NetworkInterfaces": [{"Ipv6AddressCount": 1}]},
    ),
    Call("autoscaling", "DescribeAutoScalingInstances", {"InstanceIds": ["i-1", "i-2"]}),
    Call("autoscaling", "DescribeAutoScalingGroups", {"Filters": [{"Name": "a", "Values": ["x"]}], "MaxRecords": 7}),
    Call("secretsmanager", "PutSecretValue", {"SecretId": "a", "SecretString": "b", "ClientRequestToken": "c" * 32}),
    Call("s3", "PutObject", {"Bucket": "bucket", "Key": "a/b", "Body": b"x", "IfNoneMatch": "*"}),
    Call("s3", "GetObject", {"Bucket": "bucket", "Key": "a/b"}),
    Call("s3", "GetObject", {"Bucket": "bucket", "Key": "a/b", "VersionId": "c_d"}),
]


def sent(made: Call, **options: Any) -> Request:
    """What boto3 sends for it."""
    client = boto3.client(made.service, "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b", **options)  # type: ignore[call-overload]
    found: list[Request] = []

    class Sent(Exception):
        pass

    def keep(request: AWSPreparedRequest, **_: object) -> None:
        body = request.body if isinstance(request.body, bytes) else (request.body or b"")
        body = body.read() if hasattr(body, "read") else body
        headers = tuple(
            (name, value.decode() if isinstance(value, bytes) else value) for name, value in request.headers.items()
        )
        body = body if isinstance(body, bytes) else body.encode()
        found.append(Request(request.method, request.url, headers, body))
        raise Sent

    client.meta.events.register("before-send", keep)
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in made.operation).lstrip("_")
    with pytest.raises(Sent):
        getattr(client, snake)(**made.parameters)
    return found[0]


@pytest.mark.parametrize("made", CALLS, ids=lambda made: made.operation)
def test_what_an_sdk_sends_is_read(made: Call) -> None:
    found = call(made.service, sent(made))
    if made.operation == "PutObject":
        found.parameters.pop("ContentType", None)
        for name in [name for name in found.parameters if "Checksum" in name or name in ("ContentEncoding",)]:
            found.parameters.pop(name)
        found.parameters["Body"] = made.parameters["Body"]
    if made.operation == "GetObject":
        found.parameters.pop("ChecksumMode", None)
    if made.operation == "RunInstances":
        found.parameters.pop("ClientToken")
    assert found == made


def form(text: str) -> Request:
    return Request("POST", "https://x/", (), text.encode())


def target(text: str, body: str = "{}") -> Request:
    headers = (("Content-Type", "application/x-amz-json-1.1"), ("X-Amz-Target", f"secretsmanager.{text}"))
    return Request("POST", "https://x/", headers, body.encode())


@pytest.mark.parametrize(
    ("service", "request_", "says"),
    [
        ("ec2", form("Action=DescribeInstance&Version=2016-11-15"), "no operation DescribeInstance"),
        ("ec2", form("Action=DescribeInstances&Version=2011-01-01"), "version '2011-01-01'"),
        ("ec2", form("Action=DescribeInstances&Version=2016-11-15&Filters.1.Name=a"), "no parameter Filters.1.Name"),
        ("ec2", form("Action=DescribeInstances&Version=2016-11-15&Filter.2.Name=a"), "no parameter Filter.2.Name"),
        ("ec2", form("Action=DescribeInstances&Version=2016-11-15&MaxResults=x"), "Invalid type"),
        ("autoscaling", form("Action=CompleteLifecycleAction&Version=2011-01-01"), "Missing required parameter"),
        ("secretsmanager", target("GetSecret"), "no operation GetSecret"),
        ("secretsmanager", target("GetSecretValue"), "Missing required parameter"),
        ("secretsmanager", target("GetSecretValue", '{"SecretId":"a","Name":"b"}'), "no parameter Name"),
        ("s3", Request("GET", "https://b.s3.eu-central-1.amazonaws.com/?list-type=2", ()), "no operation on an object"),
        ("s3", Request("GET", "https://b.s3.eu-central-1.amazonaws.com/a/b?acl", ()), "no operation on an object"),
    ],
)
def test_what_no_sdk_would_send_is_not_taken(service: str, request_: Request, says: str) -> None:
    with pytest.raises(NotInTheModel, match=says):
        call(service, request_)
