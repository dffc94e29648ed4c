"""The preflight against moto: one clear finding for each thing that stands against a cluster, and nothing is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from hashistack.aws.ops import preflight, quotas, session
from hashistack.aws.ops.preflight import Plan
from hashistack.aws.pools.capacity import needs
from hashistack.component.findings import Finding, from_marked, parsed
from hashistack.provider.handler import Context
from hashistack.spec import ClusterSpec

from .conftest import REGION

ENOUGH: Mapping[quotas.Counted, float] = dict.fromkeys(quotas.COUNTED, 1000.0)
WRITES = ("Create", "Run", "Put", "Delete", "Terminate", "Set", "Update", "Modify", "Allocate", "Attach")


def spec(**more: Any) -> ClusterSpec:
    return ClusterSpec.parse({"name": "prod", "clients": [{"name": "web", "desired": 2, "max": 6}], **more})


@pytest.fixture
def calls(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of AWS; the session is the operator's. moto knows no quotas of EC2's."""
    asked: list[str] = []
    aws.events.register("before-call", lambda model, **more: asked.append(model.name))
    monkeypatch.setattr(session, "session", lambda region, access: aws)
    monkeypatch.setattr(quotas, "limit", lambda session, region, counted: ENOUGH[counted])
    return asked


@pytest.fixture
def run(calls: list[str]) -> Callable[[Plan], list[Finding]]:
    def ran(plan: Plan) -> list[Finding]:
        found = preflight.run(plan)
        assert [name for name in calls if name.startswith(WRITES)] == []
        return found

    return ran


Run = Callable[[Plan], list[Finding]]
PLAN = Plan(spec(), REGION)


def wrong(found: list[Finding]) -> list[Finding]:
    return [one for one in found if one.ok is False]


def test_a_cluster_that_fits_is_told_with_what_it_needs(run: Run) -> None:
    found = run(PLAN)
    assert wrong(found) == []
    told = {one.sentence: one.detail for one in found if one.ok}
    assert told["AWS answers, for the account that is meant"].startswith("account 123456789012, as arn:aws:sts::")
    assert told["AWS can do what is specified"] == (
        "3 server (m6i.large), 2 web (m6i.large); a VPC with 3 NAT gateways; a private network load balancer"
    )
    assert told["the zones are there"] == "eu-central-1a, eu-central-1b, eu-central-1c"
    assert told["machines of these types are to be had"] == "m6i.large"
    # 3 servers and 2 clients, one more of each in a rollout, with 2 vCPUs each; at most 6 clients
    assert told["the quota of vCPUs on demand is large enough"] == "14 needed (up to 22), 0 in use, 1000 allowed"
    assert "the quota of vCPUs on spot is large enough" not in told
    assert told["the quota of Elastic IPs (one a NAT gateway) is large enough"] == "3 needed, 0 in use, 1000 allowed"


BAD: Mapping[str, tuple[Plan, str, str]] = {
    "a region that is none": (replace(PLAN, region="eu-centrl-1"), "eu-centrl-1 is none", "aws:region eu-central-1"),
    "a region of China's": (
        replace(PLAN, region="cn-north-1"),
        "cn-north-1 is in the partition aws-cn, whose host names and images nobody has tried",
        "use another region",
    ),
    "a foreign zone": (
        replace(
            PLAN, spec=spec(servers={"zones": ["us-east-1a", "us-east-1b", "us-east-1c"]}, clients=[{"name": "a"}])
        ),
        'spec.servers.zones[0]: is not in region eu-central-1 (got "us-east-1a")',
        "Name a zone of eu-central-1.",
    ),
    "a zone that is not there": (
        replace(PLAN, spec=spec(servers={"zones": ["eu-central-1a", "eu-central-1b", "eu-central-1x"]})),
        "account 123456789012 has no eu-central-1x",
        "name zones among eu-central-1a, eu-central-1b, eu-central-1c",
    ),
    "the wrong architecture": (
        replace(PLAN, spec=spec(servers={"machine_type": "m6g.large"})),
        'spec.servers.machine_type: is arm64, and the pool is amd64 (got "m6g.large")',
        "Set `arch: arm64`",
    ),
    "a type that is not there": (
        replace(PLAN, spec=spec(servers={"machine_type": "m6i.huge"})),
        "spec.servers: eu-central-1 has no m6i.huge",
        "name another one",
    ),
    "the wrong account": (
        replace(PLAN, accounts=("210987654321",)),
        "account 123456789012 is not 210987654321, which aws:allowedAccountIds names",
        "export AWS_PROFILE=NAME of that account",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_stands_against_it_is_told_with_its_remedy(run: Run, case: str) -> None:
    plan, said, remedy = BAD[case]
    told = [one for one in wrong(run(plan)) if one.detail.startswith(said)]
    assert len(told) == 1, wrong(run(plan))
    assert told[0].remedy.startswith(remedy) or remedy in told[0].remedy
    assert "\n" not in told[0].detail


def test_everything_is_told_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "limit", lambda session, region, counted: 5.0)
    zones = ["eu-central-1a", "eu-central-1b", "eu-central-1x"]
    found = wrong(run(replace(PLAN, spec=spec(servers={"zones": zones, "machine_type": "m6i.huge"}))))
    assert {one.sentence for one in found} == {
        "the zones are there",
        "machines of these types are to be had",
        "the quota of vCPUs on demand is large enough",
    }


def test_a_quota_that_is_too_small_names_the_command_that_asks_for_more(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {**ENOUGH, quotas.ON_DEMAND: 12.0, quotas.ADDRESSES: 2.0}
    monkeypatch.setattr(quotas, "limit", lambda session, region, counted: small[counted])
    cpus, addresses = wrong(run(PLAN))
    assert cpus.detail == "14 needed (up to 22), 0 in use, 12 allowed"
    assert cpus.remedy == (
        "aws service-quotas request-service-quota-increase --region eu-central-1 --service-code ec2 "
        "--quota-code L-1216C47A --desired-value 22"
    )
    assert addresses.detail == "3 needed, 0 in use, 2 allowed"


def test_a_quota_that_only_stops_growth_is_worth_knowing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "limit", lambda session, region, counted: {**ENOUGH, quotas.ON_DEMAND: 15.0}[counted])
    found = run(PLAN)
    assert wrong(found) == []
    assert [one.detail for one in found if one.ok is None and "quota" in one.sentence] == [
        "14 needed (up to 22), 0 in use, 15 allowed"
    ]


def test_what_the_account_uses_already_counts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "used", lambda session, region, counted: 6 if counted is quotas.ON_DEMAND else 0)
    monkeypatch.setattr(quotas, "limit", lambda session, region, counted: {**ENOUGH, quotas.ON_DEMAND: 18.0}[counted])
    assert [one.detail for one in wrong(run(PLAN))] == ["14 needed (up to 22), 6 in use, 18 allowed"]


def test_what_a_cluster_that_is_there_uses_is_not_counted_twice(
    aws: boto3.Session, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is there is asked of AWS: its network has its tag."""
    monkeypatch.setattr(quotas, "used", lambda session, region, counted: 6 if counted is quotas.ON_DEMAND else 0)
    monkeypatch.setattr(quotas, "limit", lambda session, region, counted: {**ENOUGH, quotas.ON_DEMAND: 18.0}[counted])
    ours = replace(PLAN, site="prod-1a2b")
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "hashistack:cluster", "Value": "prod-ffff"}])
    assert [one.detail for one in wrong(preflight.run(ours))] == ["14 needed (up to 22), 6 in use, 18 allowed"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "hashistack:cluster", "Value": "prod-1a2b"}])
    assert wrong(preflight.run(ours)) == []


def test_another_account_than_the_providers_is_not_looked_at(run: Run, calls: list[str]) -> None:
    found = run(replace(PLAN, account="210987654321"))
    assert wrong(found) == []
    assert found[0].ok is None
    assert "the program's provider uses 210987654321, which is not looked at" in found[0].detail
    assert calls == ["GetCallerIdentity"]


def test_the_function_answers_with_what_run_finds(calls: list[str]) -> None:
    """All but what the component refuses by itself; each is also a debugging line, for the doctor."""
    lines: list[str] = []
    asked = {"spec": spec(servers={"machine_type": "m6g.large"}).model_dump_json(), "region": REGION}
    ctx = Context(log=lambda severity, text: lines.append(f"{severity} {text}"))
    found = parsed(preflight.answer(ctx, asked)["findings"])
    assert found == [
        one
        for one in preflight.run(Plan(spec(servers={"machine_type": "m6g.large"}), REGION))
        if one.ok is not False or "can do what is specified" not in one.sentence
    ]
    assert [from_marked(line.removeprefix("debug ")) for line in lines] == found


def test_what_is_in_use_is_counted_by_kind(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto tells no cores of a machine: EC2's answer is a stub's."""

    def machine(type_: str, cores: int, **more: str) -> dict[str, Any]:
        return {"InstanceType": type_, "CpuOptions": {"CoreCount": cores, "ThreadsPerCore": 2}, **more}

    found = [machine("m5.large", 1), machine("m5.4xlarge", 8, InstanceLifecycle="spot"), machine("g4dn.xlarge", 2)]
    client = aws.client("ec2")
    monkeypatch.setattr(aws, "client", lambda *name, **more: client)
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_response("describe_instances", {"Reservations": [{"Instances": found}]})
        assert [quotas.used(aws, REGION, counted) for counted in (quotas.ON_DEMAND, quotas.SPOT)] == [2, 16]


def test_networks_addresses_and_balancers_in_use_are_counted(aws: boto3.Session) -> None:
    before = [quotas.used(aws, REGION, counted) for counted in quotas.COUNTED[2:]]
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    ec2.allocate_address(Domain="vpc")
    for kind in ("network", "application"):
        aws.client("elbv2").create_load_balancer(Name=kind, Type=kind, Subnets=[subnet])
    after = [quotas.used(aws, REGION, counted) for counted in quotas.COUNTED[2:]]
    assert [late - early for early, late in zip(before, after, strict=True)] == [1, 1, 1]


def test_spot_has_a_quota_of_its_own() -> None:
    pool = {"name": "batch", "min": 1, "max": 6, "machine_type": "m6i.large", "machine_types": ["m6i.xlarge"]}
    found = needs(spec(clients=[{**pool, "spot": True, "on_demand_base": 1}]))
    # the largest type that AWS may choose counts
    each = {"m6i.large": 2, "m6i.xlarge": 4}
    assert found.vcpus(each, most=False) == (4 * 2 + 1 * 4, 2 * 4)
    assert found.vcpus(each, most=True) == (4 * 2 + 1 * 4, 6 * 4)


@pytest.mark.parametrize(
    ("network", "own_vpc", "counts"),
    [({}, False, (1, 3)), ({"nat": "single"}, False, (1, 1)), ({"nat": "none"}, False, (1, 0)), ({}, True, (0, 0))],
)
def test_ways_out_are_counted(network: dict[str, Any], own_vpc: bool, counts: tuple[int, int]) -> None:
    found = needs(spec(network=network), own_vpc)
    assert (found.vpcs, found.gateways) == counts


def test_graphics_cards_have_quotas_of_their_own() -> None:
    assert [type_ for type_ in ("m6i.large", "t4g.small", "g6.xlarge", "p4d.24xlarge", "inf2.xlarge", "x2gd.large")
            if quotas.standard(type_)] == ["m6i.large", "t4g.small"]  # fmt: skip


@pytest.mark.parametrize(
    "call", ["DescribeAddresses", "DescribeAvailabilityZones", "DescribeInstanceTypes", "DescribeRegions"]
)
def test_a_permission_that_is_missing_is_a_warning(run: Run, aws: boto3.Session, call: str) -> None:
    def denied(model: Any, **more: Any) -> None:
        raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, model.name)

    aws.events.register(f"before-call.ec2.{call}", denied)
    found = run(PLAN)
    assert wrong(found) == []
    told = [one for one in found if one.ok is None and f"may not call {call}" in one.detail]
    assert told
    assert {one.remedy for one in told} == {f"allow {call} in their policy"}
    assert any("quota of VPCs" in one.sentence and one.ok for one in found)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredToken", "the AWS credentials have expired"),
        ("InvalidClientTokenId", "AWS does not accept these credentials (InvalidClientTokenId)"),
    ],
)
def test_credentials_that_do_not_work_end_it_and_the_specification_is_told_all_the_same(
    run: Run, aws: boto3.Session, code: str, said: str
) -> None:
    def refused(model: Any, **more: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "x"}}, model.name)

    aws.events.register("before-call.sts", refused)
    found = wrong(run(replace(PLAN, spec=spec(servers={"machine_type": "m6g.large"}))))
    assert [one.detail for one in found][:-1] == [said]
    assert "m6g.large" in found[-1].detail


def test_a_region_that_is_not_enabled(run: Run, aws: boto3.Session) -> None:
    client = aws.client("ec2", region_name="us-east-1")
    with Stubber(client) as stub:
        regions = [{"RegionName": "ap-east-1", "OptInStatus": "not-opted-in"}]
        stub.add_response("describe_regions", {"Regions": regions}, {"RegionNames": ["ap-east-1"], "AllRegions": True})
        real = aws.client
        aws.client = lambda name, **more: (
            client if more["region_name"] == "us-east-1" and name == "ec2" else real(name, **more)
        )  # type: ignore[method-assign]
        (found,) = wrong(run(replace(PLAN, region="ap-east-1")))
    assert found.remedy == "aws account enable-region --region-name ap-east-1"


def test_a_quota_that_was_never_raised_is_aws_default(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    client = aws.client("service-quotas")
    asked = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
    monkeypatch.setattr(aws, "client", lambda *name, **more: client)
    with Stubber(client) as stub:
        stub.add_client_error("get_service_quota", "NoSuchResourceException", expected_params=asked)
        stub.add_response("get_aws_default_service_quota", {"Quota": {"Value": 5.0}}, asked)
        assert quotas.limit(aws, REGION, quotas.ON_DEMAND) == 5.0
        stub.assert_no_pending_responses()
