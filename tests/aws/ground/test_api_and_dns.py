"""One address for the APIs, and a way for the VPC to ask the cluster."""

from __future__ import annotations

import pulumi
import pytest

from hashistack.aws import AwsApi, AwsApiArgs, AwsDns, AwsDnsArgs
from hashistack.spec import Dns
from hashistack.testing import Aws, Recording, record

from .stacks import explicit, recorded

TARGET = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"


def test_the_three_apis_are_passed_through(minimal: Recording) -> None:
    (balancer,) = minimal.of("aws:lb/loadBalancer:LoadBalancer")
    assert balancer.inputs["internal"] is True and balancer.inputs["loadBalancerType"] == "network"
    assert balancer.inputs["enableCrossZoneLoadBalancing"] is True
    assert len(balancer.inputs["subnets"]) == 3
    assert balancer.inputs["securityGroups"] == ["prod-api-id"]
    listeners = {int(each.inputs["port"]): each.inputs for each in minimal.of(LISTENER)}
    targets = {int(each.inputs["port"]): each.inputs for each in minimal.of(TARGET)}
    assert listeners.keys() == targets.keys() == {4646, 8200, 8501}
    for port, it in targets.items():
        # TLS is the servers' own: the load balancer has no certificate.
        assert it["protocol"] == listeners[port]["protocol"] == "TCP"
        assert "certificateArn" not in listeners[port]
        assert it["preserveClientIp"] == "false"
    assert targets[8200]["healthCheck"]["path"] == "/v1/sys/health"  # the active one alone
    assert len(minimal.result["targets"]) == 3
    assert minimal.result["api"] == "prod-api-0123456789abcdef.elb.us-east-1.amazonaws.com"


def test_only_who_is_named_may_use_it(minimal: Recording) -> None:
    rules = [each for each in minimal.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
             if each.inputs["securityGroupId"] == "prod-api-id"]  # fmt: skip
    assert {(int(each.inputs["fromPort"]), each.inputs["referencedSecurityGroupId"]) for each in rules} == {
        (port, f"prod-firewall-{role}-id") for port in (4646, 8200, 8501) for role in ("server", "client")
    }


def test_everybody_is_no_network() -> None:
    def program() -> None:
        AwsApi("api", AwsApiArgs("vpc-1", ["subnet-1"], "sg-1", source_cidrs=["0.0.0.0/0"]), explicit())

    with pytest.raises(pulumi.RunError, match=r"api.source_cidrs: 0.0.0.0/0 is everybody"):
        record(program, Aws())


def test_more_networks_than_a_security_group_has_rules_are_refused() -> None:
    def program(count: int) -> None:
        cidrs = [f"10.{index}.0.0/16" for index in range(count)]
        AwsApi("api", AwsApiArgs("vpc-1", ["subnet-1"], "sg-1", {"a": "sg-2", "b": "sg-3"}, cidrs), explicit())

    made = record(lambda: program(18), Aws())
    rules = made.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert len([each for each in rules if each.inputs["securityGroupId"] == "api-id"]) == 60
    with pytest.raises(pulumi.RunError, match="19 networks, and beside 2 security groups there is room for 18"):
        record(lambda: program(19), Aws())


@pytest.mark.parametrize("protect", [True, False])
def test_what_is_protected_can_not_be_deleted_by_mistake(protect: bool) -> None:
    made = record(lambda: AwsApi("api", AwsApiArgs("vpc-1", ["s-1"], "sg-1", protect=protect), explicit()), Aws())
    (balancer,) = made.of("aws:lb/loadBalancer:LoadBalancer")
    assert balancer.inputs["enableDeletionProtection"] is protect


@pytest.mark.parametrize(
    ("dns", "upstreams"),
    [(Dns(), ["169.254.169.253"]), (Dns(upstreams=["10.1.0.2", "10.2.0.2"]), ["10.1.0.2", "10.2.0.2"])],
)
def test_machines_ask_the_vpcs_resolver_unless_told_otherwise(dns: Dns, upstreams: list[str]) -> None:
    made = record(lambda: AwsDns("dns", AwsDnsArgs(dns), explicit()).upstreams, Aws())
    assert made.result == upstreams
    assert [each.type for each in made.resources if each.type.startswith("aws:")] == []


def test_the_vpc_asks_the_servers_by_addresses_that_stay() -> None:
    made = recorded("private-without-nat")
    (rule,) = made.of("aws:route53/resolverRule:ResolverRule")
    assert (rule.inputs["domainName"], rule.inputs["ruleType"]) == ("consul", "FORWARD")
    assert rule.inputs["targetIps"] == [{"ip": f"10.0.{n}.9", "port": 53} for n in range(3)]
    (asked,) = [each for each in made.calls if each.token.endswith("getNetworkInterfaces")]
    assert asked.args["filters"] == [{"name": "description", "values": ["ELB net/prod-dns-servers/0123456789abcdef"]}]
    (endpoint,) = made.of("aws:route53/resolverEndpoint:ResolverEndpoint")
    assert endpoint.inputs["direction"] == "OUTBOUND"
    assert len(endpoint.inputs["ipAddresses"]) == 3
    (joined,) = made.of("aws:route53/resolverRuleAssociation:ResolverRuleAssociation")
    assert joined.inputs["vpcId"] == "prod-network-vpc-id"
    target = made.named("prod-dns-servers-dns", TARGET)
    assert (target.inputs["port"], target.inputs["protocol"]) == (8600, "TCP_UDP")
    assert "preserveClientIp" not in target.inputs  # UDP always keeps it
    assert len(made.result["dns_targets"]) == 1


def test_forwarding_needs_a_place() -> None:
    with pytest.raises(pulumi.RunError, match=r"dns.forward: needs vpc_id, subnet_ids and servers_security_group_id"):
        record(lambda: AwsDns("dns", AwsDnsArgs(forward=True), explicit()), Aws())
