"""What the program's provider has set reaches whoever asks AWS beside it."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from pulumi.runtime.config import set_all_config

from hashistack import AwsCluster, AwsClusterArgs
from hashistack.aws import provider
from hashistack.ops.api.connection import Connection
from hashistack.testing import Aws, record

from .plan import REGION, SECRET_WORD, Plan, plan

ROLE = "arn:aws:iam::210987654321:role/deploy"
SAID: dict[str, Any] = {
    "profile": "prod",
    "roles": [
        {
            "RoleArn": ROLE,
            "RoleSessionName": "ci",
            "ExternalId": "ours",
            "PolicyArns": [{"arn": "arn:p"}],
            "Tags": [{"Key": "team", "Value": "platform"}],
        }
    ],
    "endpoints": {"ec2": "https://ec2.example", "elbv2": "https://elb.example"},
}


def test_the_stacks_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    role = {
        "roleArn": ROLE,
        "sessionName": "ci",
        "externalId": "ours",
        "duration": "1h",
        "policyArns": ["arn:p"],
        "tags": {"team": "platform"},
    }
    endpoints = {"ec2": "https://ec2.example", "elasticloadbalancingv2": "https://elb.example"}
    config = {"aws:profile": "prod", "aws:assumeRoles": json.dumps([role]), "aws:endpoints": json.dumps([endpoints])}
    try:
        set_all_config(config)
        assert provider.configured(None) == SAID
    finally:
        set_all_config({})
    assert provider.configured(None) == {}


def test_the_stacks_settings_are_secret_wherever_they_are_kept() -> None:
    """A role's external id, `pulumi config set --secret`: no state and no output shows it."""
    role = {"roleArn": ROLE, "externalId": f"{SECRET_WORD}external-id"}

    def run() -> dict[str, Any]:
        set_all_config({"aws:assumeRoles": json.dumps([role])})
        made = AwsCluster("prod", AwsClusterArgs(spec={}))
        return {"connection": made.connection, "is secret": made.connection.is_secret()}

    made = Plan(record(run, Aws(REGION)))
    assert made.outputs["is secret"]
    assert role["externalId"] in made.outputs["connection"]
    waits = made.of("AwsInService")
    assert {each.inputs["access"]["roles"][0]["ExternalId"] for each in waits} == {role["externalId"]}
    for each in made:
        plain = {name: value for name, value in each.inputs.items() if name not in each.secret_inputs}
        assert role["externalId"] not in json.dumps(plain, default=str), each.name


def test_an_explicit_providers_settings_are_in_the_connection_and_asked_by_what_waits() -> None:
    def run() -> dict[str, Any]:
        explicit = aws.Provider(
            "second",
            region=REGION,
            profile="prod",
            endpoints=[
                aws.ProviderEndpointArgs(ec2="https://ec2.example", elasticloadbalancingv2="https://elb.example")
            ],
        )
        made = AwsCluster("prod", AwsClusterArgs(spec={}), pulumi.ResourceOptions(providers=[explicit]))
        return {"connection": made.connection}

    said = {name: SAID[name] for name in ("profile", "endpoints")}
    made = plan(run)
    pools = Connection.parse(json.loads(made.outputs["connection"])).pools
    assert [pool.template["access"] for pool in pools] == [said] * len(pools)
    assert [each.inputs["access"] for each in made.of("AwsInService")] == [said] * len(pools)
