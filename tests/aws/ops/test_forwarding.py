"""Ports through Session Manager: what the AWS CLI is asked, with whose credentials, and that it leads to the API."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import boto3
import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

from hashistack.errors import HashistackError
from hashistack.platforms import forwarder

from ...box.sessions import Programs
from .conftest import REGION, Site, instance_id

ADDRESS = "https://internal-prod.elb.eu-central-1.amazonaws.com:4646"


@pytest.fixture
def cluster(site: Site) -> Site:
    site.pool("server", 3, role="server")
    site.pool("web", 2)
    return site


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs.of_aws(tmp_path / "bin")
    monkeypatch.setenv("PATH", made.path)
    return made


@pytest.mark.usefixtures("programs")
def test_sessions_go_through_servers_that_run(cluster: Site) -> None:
    servers = [one.name for one in cluster.driver().instances() if one.pool == "server"]
    cluster.ec2.stop_instances(InstanceIds=[instance_id(servers[0])])
    cluster.put(servers[1], "Terminating:Wait")
    assert forwarder(cluster.connection()).machines() == servers[2:]


@pytest.mark.usefixtures("programs")
def test_what_is_asked_is_what_aws_takes(cluster: Site) -> None:
    """By botocore's own description of StartSession."""
    way = forwarder(cluster.connection())
    (name, *_) = way.machines()
    said = list(way.program(name, ADDRESS, 50123).arguments)
    assert said[:3] == ["aws", "ssm", "start-session"]
    options = dict(zip(said[3::2], said[4::2], strict=True))
    assert options.pop("--region") == REGION
    shape = get_session().get_service_model("ssm").operation_model("StartSession").input_shape
    parameters = dict(one.split("=") for one in options["--parameters"].split(","))
    asked = {
        "Target": options["--target"],
        "DocumentName": options["--document-name"],
        "Parameters": {name: [value] for name, value in parameters.items()},
    }
    assert not ParamValidator().validate(asked, shape).has_errors()
    assert asked == {
        "Target": instance_id(name),
        "DocumentName": "AWS-StartPortForwardingSessionToRemoteHost",
        "Parameters": {
            "host": ["internal-prod.elb.eu-central-1.amazonaws.com"],
            "portNumber": ["4646"],
            "localPortNumber": ["50123"],
        },
    }


def test_the_cli_has_the_credentials_and_endpoint_of_the_stacks_provider(
    cluster: Site, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its environment: arguments are seen by everybody."""
    boto3.client("iam").create_role(RoleName="operator", AssumeRolePolicyDocument="{}")
    role = {"RoleArn": "arn:aws:iam::123456789012:role/operator", "RoleSessionName": "shop"}
    access = {"roles": [role], "endpoints": {"ssm": "https://vpce-1.ssm.eu-central-1.vpce.amazonaws.com"}}
    for pool in cluster.pools:
        pool["template"]["access"] = access
    way = forwarder(cluster.connection())
    program = way.program(way.machines()[0], ADDRESS, 50123)
    programs.refuse(str(program.arguments[6]), "no session here")
    ended = subprocess.run(
        program.arguments, env=dict(program.environment), capture_output=True, text=True, check=False
    )
    assert ended.stderr == "no session here\n"
    (call,) = programs.calls
    assert call["environment"]["AWS_ENDPOINT_URL_SSM"] == "https://vpce-1.ssm.eu-central-1.vpce.amazonaws.com"
    keys = {name: call["environment"][name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    assert keys["AWS_ACCESS_KEY_ID"].startswith("ASIA"), "a role's"
    assert call["environment"]["AWS_SESSION_TOKEN"]
    shown = " ".join(call["arguments"]) + repr(program)
    assert not [value for value in (*keys.values(), call["environment"]["AWS_SESSION_TOKEN"]) if value in shown]


@pytest.mark.parametrize("missing", ["aws", "session-manager-plugin"])
def test_what_is_not_installed_is_named_with_its_place(
    cluster: Site, programs: Programs, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (programs.directory / missing).unlink()
    monkeypatch.setenv("PATH", str(programs.directory))
    with pytest.raises(HashistackError) as refused:
        forwarder(cluster.connection())
    assert refused.value.what == f"a tunnel to AWS needs {missing} on PATH"
    assert refused.value.remedy.startswith("install it: https://docs.aws.amazon.com/")


@pytest.mark.usefixtures("programs")
def test_without_credentials_it_says_so(cluster: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    way = forwarder(cluster.connection())
    (name, *_) = way.machines()
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", os.devnull)
    with pytest.raises(HashistackError, match="no AWS credentials are found"):
        way.program(name, ADDRESS, 50123)
