"""What every component keeps to, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable

import pulumi
import pytest

import hashistack.aws
from hashistack.aws.names import (
    BUCKET,
    INSTANCE_PROFILE,
    LAUNCH_TEMPLATE,
    LOAD_BALANCER,
    ROLE,
    SECURITY_GROUP,
    TARGET_GROUP,
)
from hashistack.testing import Registered

from .stacks import CASES, REGION, recorded

EVERYTHING = [*CASES, "cluster"]
LIMITS = {
    "aws:ec2/launchTemplate:LaunchTemplate": (LAUNCH_TEMPLATE, "namePrefix"),
    "aws:iam/instanceProfile:InstanceProfile": (INSTANCE_PROFILE, "namePrefix"),
    "aws:ec2/securityGroup:SecurityGroup": (SECURITY_GROUP, "namePrefix"),
    "aws:iam/role:Role": (ROLE, "namePrefix"),
    "aws:lb/loadBalancer:LoadBalancer": (LOAD_BALANCER, "namePrefix"),
    "aws:lb/targetGroup:TargetGroup": (TARGET_GROUP, "namePrefix"),
    "aws:s3/bucket:Bucket": (BUCKET, "bucketPrefix"),
}


def components(case: str) -> list[Registered]:
    return [each for each in recorded(case).resources if not each.custom and each.type.startswith("hashistack:")]


def test_every_component_is_in_a_cluster() -> None:
    exported = (getattr(hashistack.aws, name) for name in hashistack.aws.__all__)
    declared = {each.type for each in components("cluster")}
    known = {
        f"hashistack:index:{each.__name__}"
        for each in exported
        if isinstance(each, type) and issubclass(each, pulumi.ComponentResource)
    }
    assert known
    assert known - declared == set()


@pytest.mark.parametrize("case", EVERYTHING)
def test_children_carry_their_components_name_and_are_its_children(case: str) -> None:
    made = recorded(case)
    # An engine has one type to a name under one parent, or it refuses the second.
    assert len({each.urn for each in made.resources}) == len(made.resources)
    for component in components(case):
        children = [each for each in made.resources if each.parent == component.urn]
        assert all(child.name.startswith(component.name) for child in children)
    roots = [each for each in made.resources if each.parent.endswith("pulumi:pulumi:Stack::project-stack")]
    assert {each.type for each in roots} <= {"pulumi:providers:aws", *(each.type for each in components(case))}


@pytest.mark.parametrize("case", EVERYTHING)
def test_components_register_their_outputs(case: str) -> None:
    assert {each.urn for each in components(case)} <= recorded(case).outputs.keys()


@pytest.mark.parametrize("case", EVERYTHING)
def test_an_explicit_provider_reaches_every_child_and_invoke(case: str) -> None:
    """The recording refuses the default one; that all have one, and the same, is seen here."""
    made = recorded(case)
    asked = [each for each in made.resources if each.type.startswith("aws:")]
    calls = [each for each in made.calls if each.token.startswith("aws:")]  # our own preflight asks no AWS provider
    providers = {each.provider for each in (*asked, *calls)}
    assert len(providers) == 1
    assert providers.pop().endswith("::second::second-id")
    zones = {each.inputs["availabilityZone"] for each in made.of("aws:ec2/subnet:Subnet")}
    assert all(zone.startswith(REGION) for zone in zones)


@pytest.mark.parametrize("case", EVERYTHING)
def test_names_fit_with_what_is_appended(case: str) -> None:
    for each in recorded(case).resources:
        if each.type not in LIMITS:
            continue
        kind, field = LIMITS[each.type]
        assert "name" not in each.inputs  # Pulumi's own naming, so that a replacement comes first
        prefix = each.inputs.get(field)
        if prefix is None:
            assert len(each.name) + len("-1234567") <= kind.most
        else:
            assert len(prefix) <= kind.prefix


@pytest.mark.parametrize("case", CASES)
def test_what_is_made(case: str, golden: Callable[[str, str], None]) -> None:
    lines = sorted(f"{each.type} {each.name}" for each in recorded(case).resources)
    golden(f"aws/ground/{case}.txt", "\n".join([f"{len(lines)} resources", *lines, ""]))


@pytest.mark.parametrize("case", EVERYTHING)
def test_secrets_go_to_the_secret_store_and_nowhere_else(case: str) -> None:
    """Row A7: no other resource of AWS has an input that is a secret, or that holds one as plain text."""
    for each in recorded(case).resources:
        if each.type.startswith("aws:") and each.type != "aws:secretsmanager/secretVersion:SecretVersion":
            assert not each.secret_inputs, each.name
            assert "SECRET-" not in repr(each.inputs), each.name
    stored = recorded("cluster").of("aws:secretsmanager/secretVersion:SecretVersion")
    assert stored and all(each.secret_inputs == {"secretString"} for each in stored)
