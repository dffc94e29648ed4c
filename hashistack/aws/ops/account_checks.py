"""What an account says to a cluster's own templates, roles and groups: by calls that cost nothing and change nothing.

`hashistack doctor --account` asks. A plain preflight sees what is specified; this sees what AWS makes of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from hashistack.aws.ops import quotas, session
from hashistack.component.findings import Finding
from hashistack.errors import HashistackError

if TYPE_CHECKING:
    from hashistack.ops.api.connection import Connection, Pool

_RULES = quotas.Counted("rules of a security group", "vpc", "L-0EA8095F")
_OWN_EBS_KEY = "alias/aws/ebs"
_SERVICE_ROLES = ("AWSServiceRoleForAutoScaling", "AWSServiceRoleForElasticLoadBalancing")
_SPOT_ROLE = "AWSServiceRoleForEC2Spot"
SOON = timedelta(days=60)
"""An image that is deprecated by then is worth knowing."""


_THERE = "all that the machines are made from is there"


class _Gone(HashistackError):
    """The stack made it (`it`) and somebody has deleted it: nothing more can be asked about it."""

    def __init__(self, it: str) -> None:
        super().__init__(f"{it} is not there any more", "pulumi refresh, then hashistack up")


@dataclass
class Asked:
    """One pool of a cluster, and whom to ask; each thing is asked for once."""

    pool: Pool
    region: str
    session: boto3.Session

    def client(self, service: str) -> Any:
        return self.session.client(service, region_name=self.region, config=session.CONFIG)  # type: ignore[call-overload]

    @cached_property
    def template(self) -> Mapping[str, str]:
        made: Mapping[str, str] = self.pool.template["launch_template"]
        return made

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """What the launch template says, in the version that the group uses."""
        id, version = self.template["id"], self.template["version"]
        with _gone(f"launch template {id}", "InvalidLaunchTemplateId."):
            said = self.client("ec2").describe_launch_template_versions(LaunchTemplateId=id, Versions=[version])
        data: Mapping[str, Any] = said["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        return data

    @cached_property
    def group(self) -> Mapping[str, Any]:
        name = self.pool.template["group"]
        found: Sequence[Mapping[str, Any]] = self.client("autoscaling").describe_auto_scaling_groups(
            AutoScalingGroupNames=[name]
        )["AutoScalingGroups"]
        if not found:
            raise _Gone(f"the Auto Scaling group {name}")
        return found[0]

    @cached_property
    def role(self) -> str:
        """The name of the role that the pool's machines have."""
        profile = self.data["IamInstanceProfile"]["Arn"].rpartition("/")[2]
        with _gone(f"the instance profile {profile}", "NoSuchEntity"):
            roles = self.client("iam").get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"]
        if not roles:
            raise _Gone(f"the role of the instance profile {profile}")
        return str(roles[0]["RoleName"])

    @cached_property
    def policies(self) -> list[dict[str, Any]]:
        """The role's own policy documents."""
        iam = self.client("iam")
        names = iam.list_role_policies(RoleName=self.role)["PolicyNames"]
        found = [iam.get_role_policy(RoleName=self.role, PolicyName=name)["PolicyDocument"] for name in names]
        return [json.loads(one) if isinstance(one, str) else one for one in found]


@contextmanager
def _gone(what: str, code: str) -> Iterator[None]:
    """Raises `_Gone` where AWS answers with an error whose code begins so."""
    try:
        yield
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith(code):
            raise
        raise _Gone(what) from None


def look(cluster: Connection, aws: boto3.Session | None = None) -> list[Finding]:
    """Every finding, pool by pool. What these credentials may not ask is worth knowing, and stops nothing."""
    found = []
    try:
        aws = aws or session.of(cluster)
    except BotoCoreError as error:
        failed = session.failure(error)
        return [Finding("AWS answers", False, failed.what, failed.remedy)]
    for pool in cluster.pools:
        asked = Asked(pool, str(pool.template["region"]), aws)
        for sentence, check in CHECKS:
            try:
                for ok, what, remedy in check(asked):  # what is found stays, whatever comes after it
                    found.append(Finding(sentence, ok, f"{pool.name}: {what}", remedy))
            except _Gone as gone:
                found.append(Finding(_THERE, False, f"{pool.name}: {gone.what}", gone.remedy))
            except (BotoCoreError, ClientError) as error:
                failed = session.failure(error)
                found.append(Finding(sentence, None, f"{pool.name}: {failed.what}", failed.remedy))
    return list(dict.fromkeys(found))


Told = Iterator[tuple[bool | None, str, str]]
"""Whether it is well (None: worth knowing), what was seen, what to do."""


def starts(asked: Asked) -> Told:
    """RunInstances as a dry run, with the very template: permissions, limits, key, image, type and user data."""
    subnet = asked.group["VPCZoneIdentifier"].split(",")[0]
    try:
        asked.client("ec2").run_instances(
            MinCount=1,
            MaxCount=1,
            LaunchTemplate={"LaunchTemplateId": asked.template["id"], "Version": asked.template["version"]},
            SubnetId=subnet,
            # The template's interface has the groups, and the subnet goes with it.
            DryRun=True,
        )
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "DryRunOperation":
            yield True, "a dry run of its template", ""
        elif code == "UnauthorizedOperation":
            # The group starts machines by its own role: but a policy of the organization holds for that too.
            yield None, f"these credentials may not start one ({_line(message)})", "look for a policy that denies it"
        elif not session.about_the_asked(error):
            raise  # nothing is known of the template
        elif code.startswith("Insufficient"):  # a zone is full at this moment; the group tries the others
            yield None, f"{code}: {_line(message)}", "nothing, or give the pool more `machine_types`"
        else:
            yield False, f"{code}: {_line(message)}", "mend what it says, then hashistack up"


def image(asked: Asked) -> Told:
    """The template's image is there, is not about to be deprecated, and boots as the pool's machine type does."""
    ec2, wanted = asked.client("ec2"), asked.data["ImageId"]
    try:
        found = ec2.describe_images(ImageIds=[wanted], IncludeDeprecated=True)["Images"]
    except ClientError as error:
        # InvalidAMIID.NotFound: it was deregistered. InvalidAMIID.Unavailable: its owner shares it no more.
        if not error.response["Error"]["Code"].startswith("InvalidAMIID."):
            raise
        found = []
    again = "hashistack up, which takes the newest; or another `image`"
    if not found or found[0].get("State") != "available":
        yield False, f"image {wanted} is not there any more: no machine can start from it", again
        return
    (one,) = found
    kind = ec2.describe_instance_types(InstanceTypes=[asked.data["InstanceType"]])["InstanceTypes"][0]
    mode, modes = one.get("BootMode", ""), kind.get("SupportedBootModes", ())
    if mode and modes and mode not in (*modes, "uefi-preferred"):
        yield False, f"{one['Name']} boots by {mode}, and {asked.data['InstanceType']} by {', '.join(modes)}", again
        return
    ends = one.get("DeprecationTime")
    if ends and datetime.fromisoformat(ends.replace("Z", "+00:00")) < datetime.now(UTC) + SOON:
        yield None, f"{one['Name']} is deprecated from {ends[:10]}: its owner may take it away", again
        return
    yield True, f"{one['Name']}, of {one['CreationDate'][:10]}", ""


def disks(asked: Asked) -> Told:
    """Disks without a key of their own have the account's: it must be there."""
    mappings = asked.data.get("BlockDeviceMappings", ())
    if all(one.get("Ebs", {}).get("KmsKeyId") for one in mappings):
        yield True, "a key of the cluster's own", ""
        return
    key = asked.client("ec2").get_ebs_default_kms_key_id()["KmsKeyId"]
    if key.endswith(_OWN_EBS_KEY):
        yield True, "AWS's own key", ""
        return
    try:
        state = asked.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
        state = "deleted"
    if state != "Enabled":
        remedy = "aws ec2 reset-ebs-default-kms-key-id, or give the cluster a `kms_key_arn`"
        yield False, f"the account's key for disks, {key}, is {state}: no machine starts", remedy
    else:
        remedy = f"let {_SERVICE_ROLES[0]} use it in its key policy, or no machine starts"
        yield None, f"the account's key for disks is {key}", remedy


def policies(asked: Asked) -> Told:
    """Access Analyzer reads the role's policies as AWS does."""
    analyzer, told = asked.client("accessanalyzer"), False
    for document in asked.policies:
        said = analyzer.validate_policy(policyDocument=json.dumps(document), policyType="IDENTITY_POLICY")["findings"]
        for one in said:
            if one["findingType"] in ("ERROR", "SECURITY_WARNING"):
                told = True
                ok = False if one["findingType"] == "ERROR" else None
                yield ok, f"{asked.role}: {one['issueCode']}: {_line(one['findingDetails'])}", one["learnMoreLink"]
    if not told:
        yield True, asked.role, ""


def permissions(asked: Asked) -> Told:
    """The role may do what its policy says: no boundary and no policy of the organization takes it away."""
    iam, denied = asked.client("iam"), dict[str, str]()
    arn = iam.get_role(RoleName=asked.role)["Role"]["Arn"]
    for document in asked.policies:
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow":
                said = iam.simulate_principal_policy(PolicySourceArn=arn, **_simulated(statement))
                for one in said["EvaluationResults"]:
                    if one["EvalDecision"] != "allowed":
                        denied[one["EvalActionName"]] = _denier(one)
    for action, by in denied.items():
        yield False, f"{asked.role} may not {action}: {by}", "allow it there, or the pool's machines don't come up"
    if not denied:
        yield True, f"{asked.role} may do all that its policy says", ""


def _simulated(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A request that fits a statement: its actions, its resources without their wildcards, its conditions' values."""
    resources = _list(statement["Resource"])
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": _list(value), "ContextKeyType": "string"}
        for condition in statement.get("Condition", {}).values()
        for key, value in condition.items()
    ]
    return {
        "ActionNames": _list(statement["Action"]),
        "ResourceArns": [one if one == "*" else one.replace("*", "x") for one in resources],
        "ContextEntries": entries,
    }


def _denier(result: Mapping[str, Any]) -> str:
    if result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations") is False:
        return "a policy of the organization denies it"
    if result.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary") is False:
        return "its permissions boundary does not allow it"
    return str(result["EvalDecision"])


def rules(asked: Asked) -> Told:
    """Security groups have room: a rule more than the quota fails an `up` midway."""
    ec2, most = asked.client("ec2"), quotas.limit(asked.session, asked.region, _RULES)
    for group in asked.data["NetworkInterfaces"][0]["Groups"]:
        pages = ec2.get_paginator("describe_security_group_rules").paginate(
            Filters=[{"Name": "group-id", "Values": [group]}]
        )
        found = [one["IsEgress"] for page in pages for one in page["SecurityGroupRules"]]
        used = max(found.count(True), found.count(False))
        ok = None if used > most * 0.9 else True
        yield ok, f"{group} has {used} of {most:g}", _RULES.request(asked.region, round(most) * 2)


def service_roles(asked: Asked) -> Told:
    """AWS makes these when they are first needed, if the caller may have them made."""
    wanted = (*_SERVICE_ROLES, *([_SPOT_ROLE] if _is_spot(asked.group) else []))
    for name in wanted:
        try:
            asked.client("iam").get_role(RoleName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise
            service = {"AutoScaling": "autoscaling", "ElasticLoadBalancing": "elasticloadbalancing", "EC2Spot": "spot"}
            host = f"{service[name.removeprefix('AWSServiceRoleFor')]}.amazonaws.com"
            yield None, f"there is no {name}", f"aws iam create-service-linked-role --aws-service-name {host}"
            return
    yield True, ", ".join(wanted), ""


def _is_spot(group: Mapping[str, Any]) -> bool:
    spread = group.get("MixedInstancesPolicy", {}).get("InstancesDistribution", {})
    return bool(spread.get("OnDemandPercentageAboveBaseCapacity", 100) < 100)


def _list(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _line(text: str) -> str:
    return " ".join(text.split())[:300]


CHECKS: tuple[tuple[str, Callable[[Asked], Told]], ...] = (
    ("EC2 would start a machine", starts),
    ("the image will do", image),
    ("new disks have a key", disks),
    ("the role's policies are sound", policies),
    ("the role may do what it must", permissions),
    ("security groups have room", rules),
    ("AWS's own roles are there", service_roles),
)
"""What is asked for each pool, in the order in which one would mend it."""
