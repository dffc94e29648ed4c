"""A network divided over zones: what holds for every size, and what is refused."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashistack.aws.network.subnets import divide
from hashistack.cloud.zones import zones
from hashistack.spec import Network, SpecError
from hashistack.spec.network import Subnet

ZONES = [f"eu-west-1{letter}" for letter in "abcdef"]
cidrs = st.integers(16, 20).flatmap(
    lambda length: st.integers(0, 2 ** (length - 8) - 1).map(
        lambda n: str(IPv4Network((0x0A000000 + (n << (32 - length)), length)))
    )
)


@given(cidr=cidrs, count=st.integers(1, 6), nat=st.sampled_from(["zone", "single", "none"]))
def test_every_zone_has_its_part_and_no_two_overlap(cidr: str, count: int, nat: str) -> None:
    whole, used = IPv4Network(cidr), ZONES[:count]
    placed = divide(Network(cidr=cidr, nat=nat), used)  # type: ignore[arg-type]
    assert [each.zone for each in placed if not each.public] == used
    assert [each.zone for each in placed if each.public] == ([] if nat == "none" else used)
    networks = [IPv4Network(each.cidr) for each in placed]
    assert all(each.subnet_of(whole) for each in networks)
    assert not any(left.overlaps(right) for left, right in combinations(networks, 2))
    assert all(16 <= each.prefixlen <= 28 for each in networks)
    machines = sum(IPv4Network(each.cidr).num_addresses for each in placed if not each.public)
    assert machines >= count * whole.num_addresses // 8


@given(cidr=cidrs, fewer=st.integers(1, 2))
def test_a_zone_up_to_the_third_moves_no_other(cidr: str, fewer: int) -> None:
    before, after = (divide(Network(cidr=cidr), ZONES[:n]) for n in (fewer, fewer + 1))
    assert set(before) < set(after)


@given(nat=st.sampled_from(["zone", "none"]))
def test_ways_out_move_no_machine(nat: str) -> None:
    private = [each for each in divide(Network(nat="single"), ZONES[:3]) if not each.public]
    assert private == [each for each in divide(Network(nat=nat), ZONES[:3]) if not each.public]  # type: ignore[arg-type]


def test_named_subnets_are_taken_as_they_are() -> None:
    given_ = [
        Subnet(cidr="10.0.0.0/24", zone=ZONES[1]),
        Subnet(cidr="10.0.1.0/24"),
        Subnet(cidr="10.0.2.0/24"),
        Subnet(cidr="10.0.9.0/28", public=True),
        Subnet(cidr="10.0.9.16/28", public=True),
    ]
    placed = divide(Network(cidr="10.0.0.0/16", subnets=given_), ZONES[:2])
    assert [(each.cidr, each.zone[-1], each.public) for each in placed] == [
        ("10.0.0.0/24", "b", False),
        ("10.0.1.0/24", "a", False),
        ("10.0.2.0/24", "b", False),
        ("10.0.9.0/28", "a", True),
        ("10.0.9.16/28", "b", True),
    ]


@pytest.mark.parametrize(
    ("network", "text"),
    [
        ({"cidr": "10.0.0.0/12"}, "network.cidr: is a /12, a VPC has /16 to /28"),
        ({"cidr": "10.0.0.0/25"}, 'network.cidr: is too small for subnets in 3 zones (got "10.0.0.0/25"). Give a /24'),
        ({"subnets": [{"cidr": "10.0.0.0/24"}]}, "network.subnets: none is public, and the ways out need one"),
        (
            {"subnets": [{"cidr": "10.0.0.0/24"}, {"cidr": "10.0.9.0/24", "zone": ZONES[0], "public": True}]},
            "network.subnets: has no public one in eu-west-1b, eu-west-1c",
        ),
        (
            {"nat": "none", "subnets": [{"cidr": "10.0.0.0/24", "zone": ZONES[5]}]},
            "network.subnets[0].zone: is not one of the cluster's zones",
        ),
        ({"nat": "none", "subnets": [{"cidr": "10.0.0.0/29"}]}, "network.subnets[0].cidr: is a /29"),
    ],
)
def test_what_cannot_be_divided_is_refused(network: dict[str, object], text: str) -> None:
    with pytest.raises(SpecError) as error:
        divide(Network(**network), ZONES[:3])  # type: ignore[arg-type]
    assert f"spec.{text}" in str(error.value)
    assert len(error.value.problems) == 1


def test_the_first_three_zones_by_name_are_chosen() -> None:
    assert zones(["r-1c", "r-1a", "r-1d", "r-1b"], None, "r-1") == ("r-1a", "r-1b", "r-1c")
    assert zones(["r-1a", "r-1b"], ["r-1b"], "r-1") == ("r-1b",)
    with pytest.raises(SpecError, match="is not in region r-1"):
        zones(["r-1a"], ["q-1a"], "r-1")
