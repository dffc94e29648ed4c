"""The examples, as they are, without an engine."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from hashistack.testing import Aws, Recording, record

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(example: str, **config: Any) -> Recording:
    """The example's own program, with a stack's configuration."""
    values = {
        f"{example}:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()
    }

    class Cloud(Aws):
        def outputs(self, type: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
            if type == "pulumi:pulumi:StackReference":
                return {
                    "outputs": {"connection": pulumi.Output.secret("CONNECTION")},
                    "secretOutputNames": ["connection"],
                }
            return super().outputs(type, name, inputs)

    def program() -> dict[str, Any]:
        pulumi.runtime.set_all_config(values)
        runpy.run_path(str(EXAMPLES / example / "__main__.py"))
        return {}

    return record(program, Cloud(), project=example)


@pytest.mark.parametrize("example", ["prod", "product"])
def test_an_example_is_under_forty_lines(example: str) -> None:
    assert len((EXAMPLES / example / "__main__.py").read_text().splitlines()) < 40


def test_prod_is_three_servers_and_two_pools_by_default() -> None:
    made = run("prod")
    groups = {each.name: each.inputs for each in made.of("aws:autoscaling/group:Group")}
    assert {name: group["desiredCapacity"] for name, group in groups.items()} == {
        "prod-server": 3,
        "prod-services": 2,
        "prod-batch": 2,
    }


def test_prods_configuration_says_it_otherwise() -> None:
    made = run(
        "prod", cluster={"name": "other", "clients": [{"name": "only"}]}, operators=["10.200.0.0/16"], protect=False
    )
    names = {each.name for each in made.of("aws:autoscaling/group:Group")}
    assert names == {"prod-server", "prod-only"}
    assert not any(each.protect for each in made.resources)
    assert any(rule.inputs.get("cidrIpv4") == "10.200.0.0/16" for rule in made.resources)


def test_prods_later_release_replaces_nothing() -> None:
    """Another release is other names and types at most: a resource keeps both, and so its URN."""
    first, later = run("prod"), run("prod", cluster={"versions": {"nomad": "1.10.5", "vault": "1.21.0"}})
    assert sorted(each.urn for each in first.resources) == sorted(each.urn for each in later.resources)
    # What AWS cannot change in place is the same in both.
    fixed = {
        "aws:autoscaling/group:Group": {"name", "namePrefix"},
        "aws:ec2/launchTemplate:LaunchTemplate": {"name", "namePrefix"},
        "aws:ec2/subnet:Subnet": {"availabilityZone", "cidrBlock", "vpcId"},
        "aws:ec2/vpc:Vpc": {"cidrBlock"},
        "aws:iam/role:Role": {"name", "namePrefix", "path"},
        "aws:lb/loadBalancer:LoadBalancer": {"internal", "loadBalancerType", "name", "namePrefix"},
        "aws:lb/targetGroup:TargetGroup": {"name", "namePrefix", "port", "protocol", "targetType", "vpcId"},
        "aws:secretsmanager/secret:Secret": {"name", "namePrefix"},
    }
    for before, after in zip(
        *(sorted(made.resources, key=lambda one: one.urn) for made in (first, later)), strict=True
    ):
        for name in fixed.get(before.type, ()):
            assert before.inputs.get(name) == after.inputs.get(name), before.urn


def test_product_deploys_with_the_other_stacks_connection() -> None:
    made = run("product", cluster="organization/prod/main")
    (job,) = made.of("hashistack:index:NomadJob")
    assert job.inputs["connection"] == "CONNECTION"
    assert "connection" in job.secret_inputs
    assert 'job "web"' in job.inputs["job"]


def test_product_edits_nothing_of_the_cluster() -> None:
    made = run("product", cluster="organization/prod/main")
    assert {each.type for each in made.resources if each.custom} == {"hashistack:index:NomadJob"}
