"""`doctor --account`: what AWS would answer, by botocore's models; each call is one that changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from hashistack.aws.access import policies
from hashistack.aws.access.policies import Reach, Scope
from hashistack.aws.ops import account_checks, quotas
from hashistack.aws.ops.account_checks import Asked, Told
from hashistack.ops.api.connection import Connection, Pool

from .conftest import NEW, REGION, SITE

TEMPLATE = {"id": "lt-1", "version": "3"}
POOL = Pool("web", "client", 2, NEW, {}, {"region": REGION, "group": "g", "launch_template": TEMPLATE})
DATA: dict[str, Any] = {
    "ImageId": "ami-1",
    "InstanceType": "m6i.large",
    "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}],
}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Lifecycle",
            "Effect": "Allow",
            "Action": ["autoscaling:CompleteLifecycleAction"],
            "Resource": ["arn:aws:autoscaling:x:1:autoScalingGroup:*:autoScalingGroupName/*"],
            "Condition": {"StringEquals": {"autoscaling:ResourceTag/hashistack:pool": "web"}},
        }
    ],
}


class Stubs:
    """A session whose clients answer what they are told, in order, and nothing else."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Any, Stubber]] = {}

    def client(self, service: str, **given: Any) -> Any:
        return self._of(service)[0]

    def answers(self, service: str, operation: str, said: dict[str, Any], asked: dict[str, Any] | None = None) -> None:
        self._of(service)[1].add_response(operation, said, asked)

    def refuses(self, service: str, operation: str, code: str, message: str = "") -> None:
        self._of(service)[1].add_client_error(operation, code, message)

    def done(self) -> None:
        for _, stub in self._made.values():
            stub.assert_no_pending_responses()

    def _of(self, service: str) -> tuple[Any, Stubber]:
        if service not in self._made:
            keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
            client = boto3.client(service, region_name=REGION, **keys)  # type: ignore[call-overload]
            self._made[service] = client, Stubber(client)
            self._made[service][1].activate()
        return self._made[service]


@pytest.fixture
def aws() -> Iterator[Stubs]:
    made = Stubs()
    yield made
    made.done()


@pytest.fixture
def asked(aws: Stubs) -> Asked:
    made = Asked(POOL, REGION, aws)  # type: ignore[arg-type]
    made.__dict__.update(data=DATA, group={"VPCZoneIdentifier": "subnet-1,subnet-2"}, role="prod-web")
    made.__dict__.update(policies=[POLICY])
    return made


def told(found: Told) -> list[tuple[bool | None, str]]:
    return [(ok, f"{what}. {remedy}") for ok, what, remedy in found]


@pytest.mark.parametrize(
    ("code", "message", "ok", "says"),
    [
        ("DryRunOperation", "Request would have succeeded", True, "a dry run"),
        ("UnauthorizedOperation", "explicit deny in a service control policy", None, "service control policy"),
        ("InvalidParameterValue", "Invalid IAM Instance Profile ARN", False, "Invalid IAM Instance Profile ARN"),
        ("InsufficientInstanceCapacity", "We do not have sufficient capacity", None, "sufficient capacity"),
    ],
)
def test_a_machine_is_started_as_a_dry_run_of_the_very_template(
    aws: Stubs, asked: Asked, code: str, message: str, ok: bool | None, says: str
) -> None:
    given: list[dict[str, Any]] = []
    aws.client("ec2").meta.events.register(
        "provide-client-params.ec2.RunInstances", lambda params, **more: given.append(params)
    )
    aws.refuses("ec2", "run_instances", code, message)
    ((found, said),) = told(account_checks.starts(asked))
    assert found is ok
    assert says in said
    assert given[0]["DryRun"] is True
    assert given[0]["LaunchTemplate"] == {"LaunchTemplateId": "lt-1", "Version": "3"}


@pytest.mark.parametrize("code", ["Unavailable", "ThrottlingException", "ExpiredToken"])
def test_what_says_nothing_of_the_template_is_worth_knowing_and_no_more(aws: Stubs, asked: Asked, code: str) -> None:
    aws.refuses("ec2", "run_instances", code, "later")
    with pytest.raises(ClientError):
        list(account_checks.starts(asked))


IMAGE = {"ImageId": "ami-1", "Name": "debian-12", "State": "available", "CreationDate": "2026-05-01T00:00:00Z"}
SOON = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
LATER = (datetime.now(UTC) + timedelta(days=300)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.mark.parametrize(
    ("images", "modes", "ok", "says"),
    [
        ([], [], False, "is not there any more"),
        ([{**IMAGE, "State": "disabled"}], [], False, "is not there any more"),
        ([{**IMAGE, "BootMode": "uefi"}], ["legacy-bios"], False, "boots by uefi, and m6i.large by legacy-bios"),
        ([{**IMAGE, "BootMode": "uefi-preferred"}], ["legacy-bios"], True, "debian-12, of 2026-05-01"),
        ([{**IMAGE, "DeprecationTime": SOON}], ["uefi"], None, "is deprecated from"),
        ([{**IMAGE, "DeprecationTime": LATER}], ["uefi"], True, "debian-12, of 2026-05-01"),
    ],
)
def test_the_image_is_there_boots_as_the_machine_does_and_is_not_about_to_go(
    aws: Stubs, asked: Asked, images: list[Any], modes: list[str], ok: bool | None, says: str
) -> None:
    aws.answers("ec2", "describe_images", {"Images": images}, {"ImageIds": ["ami-1"], "IncludeDeprecated": True})
    if images and images[0]["State"] == "available":
        aws.answers("ec2", "describe_instance_types", {"InstanceTypes": [{"SupportedBootModes": modes}]})
    ((found, said),) = told(account_checks.image(asked))
    assert (found, says in said) == (ok, True), said


@pytest.mark.parametrize(
    ("key", "state", "ok"),
    [("alias/aws/ebs", "", True), ("arn:k", "Enabled", None), ("arn:k", "PendingDeletion", False)],
)
def test_disks_without_a_key_of_the_clusters_have_the_accounts(
    aws: Stubs, asked: Asked, key: str, state: str, ok: bool | None
) -> None:
    aws.answers("ec2", "get_ebs_default_kms_key_id", {"KmsKeyId": key})
    if state:
        aws.answers("kms", "describe_key", {"KeyMetadata": {"KeyId": key, "KeyState": state}}, {"KeyId": key})
    ((found, _),) = told(account_checks.disks(asked))
    assert found is ok


def test_a_key_of_the_clusters_own_is_not_asked_about(asked: Asked) -> None:
    asked.__dict__["data"] = {**DATA, "BlockDeviceMappings": [{"Ebs": {"KmsKeyId": "arn:own"}}]}
    assert told(account_checks.disks(asked)) == [(True, "a key of the cluster's own. ")]


def test_what_access_analyzer_finds_is_told(aws: Stubs, asked: Asked) -> None:
    def finding(kind: str) -> dict[str, Any]:
        return {
            "findingType": kind,
            "findingDetails": "it does not exist",
            "issueCode": "INVALID_ACTION",
            "learnMoreLink": "https://docs.example",
            "locations": [],
        }

    said = [finding(kind) for kind in ("ERROR", "SECURITY_WARNING", "SUGGESTION")]
    aws.answers("accessanalyzer", "validate_policy", {"findings": said})
    assert [ok for ok, _ in told(account_checks.policies(asked))] == [False, None]
    aws.answers("accessanalyzer", "validate_policy", {"findings": said[2:]})
    assert [ok for ok, _ in told(account_checks.policies(asked))] == [True]


@pytest.mark.parametrize(
    ("result", "ok", "says"),
    [
        ({"EvalDecision": "allowed"}, True, "may do all that its policy says"),
        (
            {"EvalDecision": "implicitDeny", "OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
            False,
            "may not autoscaling:CompleteLifecycleAction: a policy of the organization denies it",
        ),
        (
            {
                "EvalDecision": "implicitDeny",
                "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False},
            },
            False,
            "its permissions boundary does not allow it",
        ),
    ],
)
def test_what_a_boundary_or_the_organization_takes_away_is_told(
    aws: Stubs, asked: Asked, result: dict[str, Any], ok: bool, says: str
) -> None:
    arn = "arn:aws:iam::123456789012:role/prod-web"
    role = {"Path": "/", "RoleName": "prod-web", "RoleId": "A" * 16, "Arn": arn, "CreateDate": datetime.now(UTC)}
    aws.answers("iam", "get_role", {"Role": role})
    action = "autoscaling:CompleteLifecycleAction"
    wanted = {
        "PolicySourceArn": arn,
        "ActionNames": [action],
        "ResourceArns": ["arn:aws:autoscaling:x:1:autoScalingGroup:x:autoScalingGroupName/x"],
        "ContextEntries": [
            {
                "ContextKeyName": "autoscaling:ResourceTag/hashistack:pool",
                "ContextKeyValues": ["web"],
                "ContextKeyType": "string",
            }
        ],
    }
    said = {"EvaluationResults": [{"EvalActionName": action, **result}]}
    aws.answers("iam", "simulate_principal_policy", said, wanted)
    ((found, line),) = told(account_checks.permissions(asked))
    assert (found, says in line) == (ok, True), line


def test_every_statement_of_our_roles_can_be_simulated() -> None:
    """By IAM's own model: no empty list, no wildcard in an ARN."""
    scope = Scope("aws", REGION, "123456789012", SITE)
    reach = Reach("arn:aws:s3:::b", ("arn:s",), ("arn:v",), "arn:k", ("arn:e",))
    model = boto3.client("iam", region_name=REGION).meta.service_model.operation_model("SimulatePrincipalPolicy")
    for role in ("server", "client"):
        for statement in policies_of(policies.machine(scope, "web", role, reach, sessions=True)):
            made = account_checks._simulated(statement)
            assert made.keys() <= model.input_shape.members.keys()
            assert made["ActionNames"] and made["ResourceArns"]
            assert not any("*" in arn for arn in made["ResourceArns"] if arn != "*")


def policies_of(text: str) -> list[dict[str, Any]]:
    import json

    found: list[dict[str, Any]] = json.loads(text)["Statement"]
    return found


@pytest.mark.parametrize(("count", "ok"), [(10, True), (58, None)])
def test_a_group_with_hardly_any_room_is_worth_knowing(
    aws: Stubs, asked: Asked, monkeypatch: pytest.MonkeyPatch, count: int, ok: bool | None
) -> None:
    asked.__dict__["data"] = {**DATA, "NetworkInterfaces": [{"Groups": ["sg-1"]}]}
    monkeypatch.setattr(quotas, "limit", lambda session, region, counted: 60.0)
    aws.answers("ec2", "describe_security_group_rules", {"SecurityGroupRules": [{"IsEgress": False}] * count})
    ((found, line),) = told(account_checks.rules(asked))
    assert (found, f"sg-1 has {count} of 60" in line) == (ok, True), line


def test_a_service_linked_role_that_is_missing_is_named_with_its_command(aws: Stubs, asked: Asked) -> None:
    asked.__dict__["group"] = {
        "MixedInstancesPolicy": {"InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0}}
    }
    role = {"Path": "/", "RoleName": "r", "RoleId": "A" * 16, "Arn": "a" * 20, "CreateDate": datetime.now(UTC)}
    aws.answers("iam", "get_role", {"Role": role})
    aws.answers("iam", "get_role", {"Role": role})
    aws.refuses("iam", "get_role", "NoSuchEntity")
    ((found, line),) = told(account_checks.service_roles(asked))
    assert found is None
    assert line.endswith("aws iam create-service-linked-role --aws-service-name spot.amazonaws.com")


@pytest.fixture
def cluster() -> Connection:
    api = {"addresses": ["https://127.0.0.1:1"], "token": "", "username": "", "password": ""}
    texts = dict.fromkeys(("datacenter", "region", "ca_pem", "operator_cert_pem", "operator_key_pem"), "")
    apis = dict.fromkeys(("nomad", "consul", "vault"), api)
    return replace(Connection.parse({**texts, **apis, "name": SITE, "provider": "aws", "pools": []}), pools=(POOL,))


def only(monkeypatch: pytest.MonkeyPatch, *checks: Any) -> None:
    monkeypatch.setattr(account_checks, "CHECKS", [one for one in account_checks.CHECKS if one[1] in checks])


def looked(cluster: Connection, aws: Stubs) -> list[tuple[bool | None, str]]:
    return [(one.ok, one.detail) for one in account_checks.look(cluster, aws)]  # type: ignore[arg-type]


def test_what_may_not_be_asked_is_worth_knowing_and_stops_nothing(
    aws: Stubs, cluster: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, account_checks.starts, account_checks.image)
    aws.refuses("autoscaling", "describe_auto_scaling_groups", "AccessDenied", "no")
    aws.refuses("ec2", "describe_launch_template_versions", "UnauthorizedOperation", "no")
    found = account_checks.look(cluster, aws)  # type: ignore[arg-type]
    assert [(one.ok, one.detail.partition(":")[0]) for one in found] == [(None, "web"), (None, "web")]
    assert found[0].remedy == "allow DescribeAutoScalingGroups in their policy"


def test_a_group_that_somebody_deleted_is_told_once(
    aws: Stubs, cluster: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, account_checks.starts, account_checks.service_roles)
    for _ in range(2):
        aws.answers("autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroups": []})
    assert looked(cluster, aws) == [(False, "web: the Auto Scaling group g is not there any more")]


@pytest.mark.parametrize("code", ["InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.VersionNotFound"])
def test_a_template_that_somebody_deleted_is_told(
    aws: Stubs, cluster: Connection, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    only(monkeypatch, account_checks.image)
    aws.refuses("ec2", "describe_launch_template_versions", code)
    assert looked(cluster, aws) == [(False, "web: launch template lt-1 is not there any more")]


PROFILE = {
    "Path": "/",
    "InstanceProfileName": "prod-web",
    "InstanceProfileId": "A" * 16,
    "Arn": "arn:aws:iam::123456789012:instance-profile/prod-web",
    "CreateDate": datetime.now(UTC),
}


@pytest.mark.parametrize(
    ("there", "says"), [(False, "the instance profile prod-web"), (True, "the role of the instance profile prod-web")]
)
def test_a_profile_without_which_no_machine_has_its_role_is_told(
    aws: Stubs, cluster: Connection, monkeypatch: pytest.MonkeyPatch, there: bool, says: str
) -> None:
    only(monkeypatch, account_checks.policies)
    version = {"LaunchTemplateData": {**DATA, "IamInstanceProfile": {"Arn": PROFILE["Arn"]}}}
    aws.answers("ec2", "describe_launch_template_versions", {"LaunchTemplateVersions": [version]})
    if there:
        aws.answers("iam", "get_instance_profile", {"InstanceProfile": {**PROFILE, "Roles": []}})
    else:
        aws.refuses("iam", "get_instance_profile", "NoSuchEntity")
    assert looked(cluster, aws) == [(False, f"web: {says} is not there any more")]


@pytest.mark.parametrize("code", ["InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"])
def test_an_image_that_is_deregistered_or_not_shared_any_more_is_told(aws: Stubs, asked: Asked, code: str) -> None:
    aws.refuses("ec2", "describe_images", code, "The image id '[ami-1]' does not exist")
    ((found, line),) = told(account_checks.image(asked))
    assert (found, "image ami-1 is not there any more" in line) == (False, True)


def test_a_deleted_key_of_the_accounts_is_told(aws: Stubs, asked: Asked) -> None:
    aws.answers("ec2", "get_ebs_default_kms_key_id", {"KmsKeyId": "arn:k"})
    aws.refuses("kms", "describe_key", "NotFoundException")
    ((found, line),) = told(account_checks.disks(asked))
    assert (found, "arn:k, is deleted" in line) == (False, True)


def test_what_was_found_stays_where_a_later_call_fails(
    aws: Stubs, cluster: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(asked: Asked) -> Told:
        yield False, "a rule is missing", ""
        asked.client("ec2").describe_regions()

    monkeypatch.setattr(account_checks, "CHECKS", (("it is well", check),))
    aws.refuses("ec2", "describe_regions", "RequestLimitExceeded")
    found = looked(cluster, aws)
    assert found[0] == (False, "web: a rule is missing")
    assert [ok for ok, _ in found] == [False, None]
