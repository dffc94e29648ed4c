"""What an account must have for a cluster on AWS: looked at within seconds, changing nothing, all of it at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from hashistack.aws import checks, tags
from hashistack.aws.ops import quotas, session
from hashistack.aws.pools import images
from hashistack.aws.pools.capacity import Needs, needs
from hashistack.cloud.zones import ZONES
from hashistack.component.findings import Finding, marked, text
from hashistack.provider.handler import Context, Props
from hashistack.spec import ClusterSpec

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client

_HOME = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
"""By partition, a region that every account has: it answers for those that an account may not have."""

_SPECIFIED = "AWS can do what is specified"


@dataclass(frozen=True)
class Plan:
    """What is going to be made, and where.

    access: how the program's provider reaches AWS (`session.session`). accounts: the only accounts in which it may be,
    () for any. account: the one that the program's provider uses, ""
    where that is not known. own_vpc: the VPC is there already. site: the cluster's id, by which is seen whether it is
    there; "" for one that is not.
    """

    spec: ClusterSpec
    region: str
    access: Mapping[str, Any] = field(default_factory=dict)
    accounts: Sequence[str] = ()
    account: str = ""
    own_vpc: bool = False
    site: str = ""

    @cached_property
    def needs(self) -> Needs:
        return needs(self.spec, self.own_vpc)


@dataclass
class Account:
    """The account as it is seen with the operator's credentials; each thing is asked for once."""

    plan: Plan
    session: boto3.Session
    home: str
    id: str = ""
    _types: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def ec2(self) -> EC2Client:
        return self.session.client("ec2", region_name=self.plan.region, config=session.CONFIG)

    @cached_property
    def new(self) -> bool:
        """Whether nothing of the cluster is there yet, so that all it needs must be free: no network has its tag.

        Where these credentials may not look, what is there may be the cluster's own.
        """
        if not self.plan.site:
            return True
        wanted: Any = [
            {"Name": "key", "Values": [tags.CLUSTER]},
            {"Name": "value", "Values": [self.plan.site]},
            {"Name": "resource-type", "Values": ["security-group", "vpc"]},
        ]
        try:
            return not self.ec2.describe_tags(Filters=wanted)["Tags"]
        except ClientError:
            return False

    @cached_property
    def zones(self) -> list[str]:
        """The region's zones that this account may use, those left out that must be opted in to."""
        kinds: Any = [{"Name": "opt-in-status", "Values": ["opt-in-not-required"]}]
        found = self.ec2.describe_availability_zones(Filters=kinds)["AvailabilityZones"]
        return sorted(one["ZoneName"] for one in found if one["State"] == "available")

    @cached_property
    def types(self) -> dict[str, Any]:
        """What EC2 says of each machine type that the cluster names, those left out that it does not know."""
        wanted = sorted({type_ for pool in self.plan.needs.machines for type_ in pool.types})
        pages = self.ec2.get_paginator("describe_instance_types").paginate(
            Filters=[{"Name": "instance-type", "Values": wanted}]
        )
        return {str(one["InstanceType"]): one for page in pages for one in page["InstanceTypes"]}


def answer(ctx: Context, asked: Props) -> Props:
    """The function `hashistack:index:awsPreflight`: fields of a `Plan`, its spec as JSON, to `{"findings": JSON}`.

    What the specification asks in vain is left out: the component says that itself, with what it knows besides.
    """
    fields = {**asked, "spec": ClusterSpec.parse(json.loads(asked["spec"]))}
    found = [one for one in run(Plan(**fields)) if one.ok is not False or one.sentence != _SPECIFIED]
    for one in found:
        ctx.log("debug", marked(one))  # for `hashistack doctor`
    return {"findings": text(found)}


def run(plan: Plan) -> list[Finding]:
    """Every finding, in the order in which one would mend them. Without credentials, what can be told without any."""
    known = boto3.Session().get_available_regions("ec2", "aws")
    partition = next((name for name in _HOME if plan.region in boto3.Session().get_available_regions("ec2", name)), "")
    if not partition:
        guess = get_close_matches(plan.region, known, 1)
        remedy = f"pulumi config set aws:region {guess[0] if guess else 'eu-central-1'}"
        return [Finding("the region is one of AWS's", False, f"{plan.region} is none that is known here", remedy)]
    if partition != "aws":
        told = f"{plan.region} is in the partition {partition}, whose host names and images nobody has tried with this"
        return [Finding("the region is in AWS's own partition", False, told, "use another region")]
    offline = list(_specification(plan))
    try:
        account = Account(plan, session.session(plan.region, plan.access), _HOME[partition])
        first = _account(account)
    except (BotoCoreError, ClientError) as error:
        failed = session.failure(error)
        return [Finding("AWS answers", False, failed.what, failed.remedy), *offline]
    if first.ok is not True:
        return [first, *offline]
    region = _seen("the region is enabled", _region, account)
    if any(one.ok is False for one in region):
        return [first, *region, *offline]
    online = [one for sentence, look in _CHECKS for one in _seen(sentence, look, account)]
    return [first, *region, *offline, *online]


def _seen(sentence: str, look: Callable[[Account], Iterator[Finding]], account: Account) -> list[Finding]:
    """A check's findings; where these credentials may not look, that is worth knowing and stops nothing."""
    try:
        return list(look(account))
    except (BotoCoreError, ClientError) as error:
        failed = session.failure(error)
        return [Finding(sentence, None if failed.denied else False, failed.what, failed.remedy)]


def _specification(plan: Plan) -> Iterator[Finding]:
    found = checks.problems(plan.spec, plan.region, {}, {}, new_vpc=not plan.own_vpc)
    sentence = _SPECIFIED
    if not found:
        yield Finding(sentence, True, str(plan.needs))
    for one in found:
        yield Finding(sentence, False, f"spec.{one.path}: {one.what}", one.remedy)


def _account(account: Account) -> Finding:
    caller = account.session.client("sts", region_name=account.home, config=session.CONFIG).get_caller_identity()
    account.id = caller["Account"]
    sentence, told = "AWS answers, for the account that is meant", f"account {account.id}, as {caller['Arn']}"
    wanted = account.plan.accounts
    if wanted and account.id not in wanted:
        told = f"account {account.id} is not {' or '.join(wanted)}, which aws:allowedAccountIds names"
        return Finding(sentence, False, told, "export AWS_PROFILE=NAME of that account, or change the setting")
    if account.plan.account and account.id != account.plan.account:
        other = f"{told}; the program's provider uses {account.plan.account}, which is not looked at"
        return Finding(sentence, None, other, "export AWS_PROFILE=NAME of that account, to have it looked at")
    return Finding(sentence, True, told)


def _region(account: Account) -> Iterator[Finding]:
    region = account.plan.region
    ec2 = account.session.client("ec2", region_name=account.home, config=session.CONFIG)
    said = ec2.describe_regions(RegionNames=[region], AllRegions=True)["Regions"]
    off = any(one.get("OptInStatus") == "not-opted-in" for one in said)
    remedy = f"aws account enable-region --region-name {region}" if off else ""
    yield Finding("the region is enabled", not off, f"{region} is not" if off else region, remedy)


def _zones(account: Account) -> Iterator[Finding]:
    sentence, plan, found = "the zones are there", account.plan, account.zones
    wanted = {zone for pool in plan.needs.machines for zone in pool.zones}
    strange = sorted(zone for zone in wanted - {*found} if zone.startswith(plan.region))
    if strange:
        told = f"account {account.id} has no {', '.join(strange)}"
        yield Finding(sentence, False, told, f"name zones among {', '.join(found)}")
    elif not plan.needs.zones and not plan.own_vpc and len(found) < ZONES:
        yield Finding(sentence, False, f"{plan.region} has {len(found)} here", f"use a region with {ZONES}")
    else:
        yield Finding(sentence, True, ", ".join(plan.needs.zones or found[:ZONES]))


def _types(account: Account) -> Iterator[Finding]:
    """Each type is there, of the pool's architecture, and to be had in the pool's zones."""
    sentence, ill = "machines of these types are to be had", False
    offered = _offered(account)
    for pool in account.plan.needs.machines:
        zones = pool.zones or account.plan.needs.zones or account.zones[:ZONES]
        for type_ in pool.types:
            said, told, remedy = account.types.get(type_), "", "name another one"
            if said is None:
                told = f"{account.plan.region} has no {type_}"
            elif (arch := images.ARCHITECTURES[pool.arch]) not in said["ProcessorInfo"]["SupportedArchitectures"]:
                told, remedy = f"{type_} is no {pool.arch} ({arch}) machine", "name one that is, or change `arch`"
            elif missing := sorted(set(zones) - offered.get(type_, set())):
                told, remedy = f"{type_} is not offered in {', '.join(missing)}", "name another one, or other zones"
            if told:
                ill = True
                # One of several types that is missing in a zone costs choice, not the pool.
                only = len(pool.types) == 1 or said is None or "machine" in told
                yield Finding(sentence, False if only else None, f"spec.{pool.path}: {told}", remedy)
    if not ill:
        yield Finding(sentence, True, ", ".join(sorted(account.types)))


def _offered(account: Account) -> dict[str, set[str]]:
    """Machine type to the zones that have it."""
    found: dict[str, set[str]] = {}
    pages = account.ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": sorted(account.types)}] if account.types else [],
    )
    for page in pages:
        for one in page["InstanceTypeOfferings"]:
            found.setdefault(one["InstanceType"], set()).add(one["Location"])
    return found


def _quotas(account: Account) -> Iterator[Finding]:
    """What is counted by AWS: enough for the first `up`, and worth knowing where a pool could not grow to its `max`."""
    plan = account.plan
    try:
        each = {type_: said["VCpuInfo"]["DefaultVCpus"] for type_, said in account.types.items()}
    except (BotoCoreError, ClientError):
        each = {}  # told already, and the rest can be seen all the same
    wanted = zip(quotas.COUNTED, *(quotas.wanted(plan.needs, each, most=most) for most in (False, True)), strict=True)
    for counted, first, most in wanted:
        if not most:
            continue
        sentence = f"the quota of {counted.what} is large enough"
        try:
            limit = quotas.limit(account.session, plan.region, counted)
            used = quotas.used(account.session, plan.region, counted) if account.new else 0
        except (BotoCoreError, ClientError) as error:
            failed = session.failure(error)
            yield Finding(sentence, None, failed.what, failed.remedy)
            continue
        told = f"{first} needed{f' (up to {most})' if most > first else ''}, {used} in use, {limit:g} allowed"
        if used + most <= limit:
            yield Finding(sentence, True, told)
            continue
        ok = False if used + first > limit and account.new else None
        yield Finding(sentence, ok, told, counted.request(plan.region, used + most))


_CHECKS: tuple[tuple[str, Callable[[Account], Iterator[Finding]]], ...] = (
    ("the zones are there", _zones),
    ("machines of these types are to be had", _types),
    ("the quotas are large enough", _quotas),
)
