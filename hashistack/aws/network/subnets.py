"""A network divided over the zones of a region. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from hashistack.spec.problems import Problem, SpecError, show

if TYPE_CHECKING:
    from hashistack.spec import Network

DEFAULT_CIDR = "10.0.0.0/16"
_LARGEST, _SMALLEST = 16, 28
"""Prefix lengths of a VPC and of a subnet. https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html"""


@dataclass(frozen=True)
class Placed:
    """One subnet: its addresses, its zone, and whether it is for what faces the internet."""

    cidr: str
    zone: str
    public: bool


def divide(network: Network, zones: Sequence[str]) -> tuple[Placed, ...]:
    """The subnets of a VPC: those of the specification, else its addresses divided over ``zones``.

    Divided, each zone has one subnet for machines, a quarter of the addresses (an eighth for more than three zones);
    the last part holds a small public one a zone, unless there is no NAT. A fourth zone therefore moves
    every subnet, one up to a third moves none.

    Raises SpecError with every problem.
    """
    cidr = IPv4Network(network.cidr or DEFAULT_CIDR)
    found = list(_problems(network, zones, cidr))
    if found:
        raise SpecError(found)
    if network.subnets:
        private = iter(range(len(network.subnets)))
        public = iter(range(len(network.subnets)))
        return tuple(
            Placed(each.cidr, each.zone or zones[next(public if each.public else private) % len(zones)], each.public)
            for each in network.subnets
        )
    blocks = list(cidr.subnets(_bits(zones)))
    placed = [Placed(str(block), zone, False) for block, zone in zip(blocks, zones, strict=False)]
    if network.nat != "none":
        slices = blocks[-1].subnets(_bits(zones))
        placed += [Placed(str(block), zone, True) for block, zone in zip(slices, zones, strict=False)]
    return tuple(placed)


def _bits(zones: Sequence[str]) -> int:
    return max(2, len(zones).bit_length())


def _problems(network: Network, zones: Sequence[str], cidr: IPv4Network) -> Iterator[Problem]:
    if not _LARGEST <= cidr.prefixlen <= _SMALLEST:
        yield Problem(
            "network.cidr",
            f"is a /{cidr.prefixlen}, a VPC has /{_LARGEST} to /{_SMALLEST} (got {show(str(cidr))})",
            f"Give a network such as {DEFAULT_CIDR}.",
        )
    elif not network.subnets and cidr.prefixlen + 2 * _bits(zones) > _SMALLEST:
        yield Problem(
            "network.cidr",
            f"is too small for subnets in {len(zones)} zones (got {show(str(cidr))})",
            f"Give a /{_SMALLEST - 2 * _bits(zones)} or larger, or name the subnets.",
        )
    for index, subnet in enumerate(network.subnets):
        length = IPv4Network(subnet.cidr).prefixlen
        if not _LARGEST <= length <= _SMALLEST:
            yield Problem(
                f"network.subnets[{index}].cidr",
                f"is a /{length}, a subnet has /{_LARGEST} to /{_SMALLEST} (got {show(subnet.cidr)})",
                "Choose another size.",
            )
        if subnet.zone and subnet.zone not in zones:
            yield Problem(
                f"network.subnets[{index}].zone",
                f"is not one of the cluster's zones {', '.join(zones)} (got {show(subnet.zone)})",
                "Choose one of them, or name it in the zones of the servers or of a pool.",
            )
    public = {subnet.zone for subnet in network.subnets if subnet.public}
    if network.subnets and network.nat != "none" and not public:
        yield Problem(
            "network.subnets",
            f'none is public, and the ways out need one (got nat: "{network.nat}")',
            "Add one for each zone with `public: true`, or set `network.nat: none`.",
        )
    bare = [zone for zone in zones if zone not in public]
    if public and network.nat == "zone" and None not in public and bare:
        yield Problem(
            "network.subnets",
            f'has no public one in {", ".join(bare)}, where a way out is to be (got nat: "zone")',
            "Add it, or set `network.nat: single`.",
        )
