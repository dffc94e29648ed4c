"""Ways in and out of a VPC, and what is made where the VPC is the user's own."""

from __future__ import annotations

import pulumi
import pytest

from hashistack.aws import AwsNetwork, AwsNetworkArgs
from hashistack.aws.network.endpoints import NEEDED, needed
from hashistack.spec import Network
from hashistack.testing import Aws, Recording, record

from .stacks import REGION, explicit, recorded

ROUTE = "aws:ec2/route:Route"
NAT = "aws:ec2/natGateway:NatGateway"


def network(**args: object) -> Recording:
    return record(
        lambda: AwsNetwork("n", AwsNetworkArgs(**args), explicit()).vpc_id,  # type: ignore[arg-type]
        Aws(REGION),
        disable_default_providers=["aws"],
    )


def refused(cloud: Aws | None = None, **args: object) -> tuple[str, list[str]]:
    """The error, and the types of what had been declared when it came."""

    def program() -> str:
        try:
            AwsNetwork("n", AwsNetworkArgs(**args), explicit())  # type: ignore[arg-type]
        except pulumi.RunError as error:
            return str(error)
        return ""

    made = record(program, cloud or Aws(REGION))
    return made.result, [each.type for each in made.resources if each.type.startswith("aws:")]


def test_each_zone_has_its_own_way_out(minimal: Recording) -> None:
    assert len(minimal.of(NAT)) == 3
    for zone in (1, 2, 3):
        gateway = minimal.named(f"prod-network-nat-{zone}", NAT)
        assert gateway.inputs["subnetId"] == f"prod-network-public-{zone}-id"
        route = minimal.named(f"prod-network-private-{zone}", ROUTE)
        assert route.inputs["natGatewayId"] == f"prod-network-nat-{zone}-id"
        subnets = [
            minimal.named(f"prod-network-{kind}-{zone}", "aws:ec2/subnet:Subnet") for kind in ("private", "public")
        ]
        assert {subnet.inputs["availabilityZone"] for subnet in subnets} == {f"{REGION}{'abc'[zone - 1]}"}


def test_no_subnet_gives_public_addresses(minimal: Recording) -> None:
    subnets = minimal.of("aws:ec2/subnet:Subnet")
    assert len(subnets) == 6
    assert not any(subnet.inputs["mapPublicIpOnLaunch"] for subnet in subnets)
    # The internet gateway is on the way from public subnets alone, and no machine is ever in one.
    ways = [each for each in minimal.of(ROUTE) if "gatewayId" in each.inputs]
    assert [each.inputs["routeTableId"] for each in ways] == ["prod-network-public-id"]
    joined = minimal.of("aws:ec2/routeTableAssociation:RouteTableAssociation")
    public = {each.inputs["subnetId"] for each in joined if each.inputs["routeTableId"] == "prod-network-public-id"}
    assert public == {f"prod-network-public-{zone}-id" for zone in (1, 2, 3)}
    assert public.isdisjoint(minimal.result["private"])


def test_a_single_way_out_serves_all_zones() -> None:
    made = network(network=Network(nat="single"))
    assert [each.name for each in made.of(NAT)] == ["n-nat-1"]
    private = [each for each in made.of(ROUTE) if each.name.startswith("n-private")]
    assert [each.inputs["natGatewayId"] for each in private] == ["n-nat-1-id"] * 3


def test_without_nat_nothing_leads_to_the_internet() -> None:
    made = recorded("private-without-nat")
    for type in (NAT, ROUTE, "aws:ec2/eip:Eip", "aws:ec2/internetGateway:InternetGateway"):
        assert made.of(type) == []
    endpoints = {
        each.inputs["serviceName"].rpartition(".")[2]: each.inputs
        for each in made.of("aws:ec2/vpcEndpoint:VpcEndpoint")
    }
    assert endpoints.keys() == {"s3", *NEEDED}
    assert endpoints.pop("s3")["vpcEndpointType"] == "Gateway"
    for inputs in endpoints.values():
        assert inputs["vpcEndpointType"] == "Interface" and inputs["privateDnsEnabled"]
        assert inputs["serviceName"].startswith(f"com.amazonaws.{REGION}.")
        assert len(inputs["subnetIds"]) == 3


def test_a_shell_without_ssh_has_endpoints_of_its_own() -> None:
    assert set(needed(sessions=True)) - set(needed(sessions=False)) == {"ssm", "ssmmessages"}


def test_a_vpc_of_yours_gets_nothing_but_what_is_asked_for() -> None:
    made = recorded("own-vpc")
    here = [each for each in made.resources if each.name.startswith("prod-network-")]
    assert [(each.name, each.inputs["routeTableIds"]) for each in here] == [("prod-network-s3", ["rtb-1"])]
    assert made.result["private"] == ["subnet-1", "subnet-2", "subnet-3"]
    # Of the subnets, in whichever of the VPC's ranges they are: from these come the load balancer's requests.
    assert made.result["cidrs"] == ["10.9.49.0/24", "10.9.50.0/24", "10.9.51.0/24"]
    (asked,) = [each for each in made.calls if each.token.endswith("getSubnets")]
    assert {each["name"]: each["values"] for each in asked.args["filters"]} == {
        "subnet-id": ["subnet-1", "subnet-2", "subnet-3"],
        "availability-zone": [f"{REGION}a"],
    }


def test_zones_that_were_looked_up_stay_and_zones_that_were_named_follow(minimal: Recording) -> None:
    looked_up = minimal.of("aws:ec2/subnet:Subnet")
    assert {each.ignore_changes for each in looked_up} == {("availabilityZone",)}
    named = network(zones=[f"{REGION}a", f"{REGION}b"]).of("aws:ec2/subnet:Subnet")
    assert len(named) == 4
    assert {each.ignore_changes for each in named} == {()}


def test_flow_logs_are_written_by_a_role_that_can_do_nothing_else() -> None:
    made = recorded("private-without-nat")
    (role,) = made.of("aws:iam/role:Role")
    (policy,) = made.of("aws:iam/rolePolicy:RolePolicy")
    (log,) = made.of("aws:ec2/flowLog:FlowLog")
    assert '"aws:SourceAccount": "123456789012"' in role.inputs["assumeRolePolicy"]
    everywhere = '"Action": ["logs:DescribeLogGroups"], "Resource": "*"'  # which AWS lists by no name
    assert "*" not in policy.inputs["policy"].replace(everywhere, "").replace(":*", "")
    assert everywhere in policy.inputs["policy"]
    assert (log.inputs["trafficType"], log.inputs["vpcId"]) == ("ALL", "prod-network-vpc-id")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"zones": ["eu-west-1a"]}, f'spec.zones[0]: is not in region {REGION} (got "eu-west-1a"). Name a zone of'),
        ({"zones": [f"{REGION}f"]}, "spec.zones[0]: is not offered to this account"),
        ({"network": Network(cidr="10.0.0.0/8")}, "spec.network.cidr: is a /8, a VPC has /16 to /28"),
        ({"network": Network(cidr="10.0.0.0/25")}, "spec.network.cidr: is too small for subnets in 3 zones"),
        ({"vpc_id": "vpc-1"}, "network.private_subnet_ids: are missing"),
    ],
)
def test_bad_input_is_one_clear_error_before_anything_is_declared(args: dict[str, object], text: str) -> None:
    error, declared = refused(**args)
    assert text in error and "\n" not in error
    assert declared == []


def test_a_region_with_too_few_zones_is_refused() -> None:
    class Small(Aws):
        def answer(self, token: str, args: object) -> dict[str, object]:
            found = dict(super().answer(token, args))  # type: ignore[arg-type]
            return {**found, "names": found["names"][:2]} if "names" in found else found

    error, declared = refused(Small(REGION))
    assert "us-east-1 offers 2 zones here, 3 are needed" in error
    assert declared == []
