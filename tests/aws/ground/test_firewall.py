"""Rows A2 and the matrix of ports, as what is declared."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

import pytest

from hashistack.cloud.firewall_rules import machine_rules, operator_ports
from hashistack.spec.ports import PORTS
from hashistack.testing import Recording, Registered

from .stacks import CASES, recorded

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"

# Written out once more, from the vendors' documentation: port, protocols, on, from.
MATRIX = """
4646 tcp      server server,client
4647 tcp      server server,client
4648 tcp,udp  server server
8300 tcp      server server,client
8301 tcp,udp  server server,client
8501 tcp      server server,client
8503 tcp      server server,client
8600 tcp,udp  server server,client
8200 tcp      server server,client
8201 tcp      server server
4646 tcp      client server
8301 tcp,udp  client server,client
20000-32000 tcp,udp client client
"""


def matrix() -> set[tuple[str, str, str, str]]:
    rows = (line.split() for line in MATRIX.split("\n") if line)
    return {
        (to, source, protocol, ports)
        for ports, protocols, to, sources in rows
        for protocol in protocols.split(",")
        for source in sources.split(",")
    }


def ports_of(rule: Registered) -> str:
    first, last = int(rule.inputs["fromPort"]), int(rule.inputs["toPort"])
    return f"{first}" if first == last else f"{first}-{last}"


def test_machines_reach_each_other_as_the_matrix_says_and_in_no_other_way(minimal: Recording) -> None:
    roles = {"prod-firewall-server-id": "server", "prod-firewall-client-id": "client"}
    rules = [each for each in minimal.of(INGRESS) if each.name.startswith("prod-firewall-")]
    found = [
        (roles[it["securityGroupId"]], roles[it["referencedSecurityGroupId"]], it["ipProtocol"], ports_of(rule))
        for rule in rules
        for it in (rule.inputs,)
    ]
    assert len(found) == len(set(found))
    assert set(found) == matrix()


def test_the_rules_are_derived_from_the_table_of_ports() -> None:
    """Every row that is open to machines is a rule, and every rule but tasks' ports is a row."""
    fixed = {rule for rule in machine_rules(20000, 32000) if rule.name != "dynamic"}
    rows = {
        (role, source, protocol, port.number)
        for port in PORTS
        for role in port.on
        for source in port.sources - {"operator"}
        for protocol in port.protocols
    }
    assert {(rule.to, rule.source, rule.protocol, rule.first) for rule in fixed} == rows
    assert all(rule.first == rule.last for rule in fixed)


@pytest.mark.parametrize("case", CASES)
def test_nothing_comes_in_from_everywhere_and_nobody_logs_in(case: str) -> None:
    for rule in recorded(case).of(INGRESS):
        it = rule.inputs
        assert "cidrIpv6" not in it and "prefixListId" not in it
        assert ("cidrIpv4" in it) != ("referencedSecurityGroupId" in it)
        if "cidrIpv4" in it:  # asked for by the user, at the load balancer alone
            assert it["cidrIpv4"] == "10.200.0.0/16" and it["securityGroupId"].endswith("-api-id")
        assert it["ipProtocol"] in ("tcp", "udp")
        assert not it["fromPort"] <= 22 <= it["toPort"]


@pytest.mark.parametrize("case", CASES)
def test_groups_have_rules_of_their_own_only(case: str) -> None:
    """Rules inside a group and rules beside it would undo each other at each `up`."""
    for group in recorded(case).of("aws:ec2/securityGroup:SecurityGroup"):
        assert "ingress" not in group.inputs and "egress" not in group.inputs
    allowed = re.compile(r"[A-Za-z0-9 ._:/()#,@\[\]+=&;{}!$*-]{1,255}")
    for rule in (*recorded(case).of(INGRESS), *recorded(case).of(EGRESS)):
        assert allowed.fullmatch(rule.inputs["description"])


def test_load_balancers_reach_the_servers_at_what_they_pass_on_and_nothing_else() -> None:
    rules = recorded("two-architectures").of(EGRESS)
    out = [rule for rule in rules if not rule.name.endswith("-out")]
    servers = "a-name-that-is-rather-long-for-a-load-balancer-firewall-server-id"
    to_servers = {
        (rule.inputs["ipProtocol"], ports_of(rule))
        for rule in out
        if rule.inputs["referencedSecurityGroupId"] == servers
    }
    assert to_servers == {("tcp", "4646"), ("tcp", "8501"), ("tcp", "8200"), ("tcp", "8600"), ("udp", "8600")}
    assert {port.number for port in operator_ports()} == {4646, 8501, 8200}
    assert not any("cidrIpv4" in rule.inputs for rule in out)


def test_a_vpcs_default_group_lets_nobody_talk(minimal: Recording) -> None:
    (group,) = minimal.of("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert "ingress" not in group.inputs and "egress" not in group.inputs


def test_endpoints_are_for_machines_only() -> None:
    rules = [each for each in recorded("private-without-nat").of(INGRESS) if "endpoints" in each.name]
    assert {(each.inputs["referencedSecurityGroupId"], ports_of(each)) for each in rules} == {
        ("prod-firewall-server-id", "443"),
        ("prod-firewall-client-id", "443"),
    }


def test_machines_reach_everything(minimal: Recording) -> None:
    out = [each for each in minimal.of(EGRESS) if each.name.endswith("-out")]
    assert {each.inputs["securityGroupId"] for each in out} == {"prod-firewall-server-id", "prod-firewall-client-id"}
    assert all(IPv4Network(each.inputs["cidrIpv4"]).prefixlen == 0 for each in out)
