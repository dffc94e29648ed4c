"""The network of a cluster: addresses, and what they must not overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, ip_network
from itertools import combinations
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from hashistack.spec.names import ZoneName
from hashistack.spec.ports import PORTS
from hashistack.spec.problems import FieldError, Problem, show
from hashistack.spec.section import Many, Section, reads
from hashistack.spec.text import PlainText

_RESERVED_ADDRESSES = 5  # in each subnet, by AWS (4 by Google Cloud)
_REACHABLE_NOWHERE = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")


def _nearest(text: str) -> str:
    try:
        return f"Did you mean {ip_network(text.partition('/')[0] + '/24', strict=False)}?"
    except ValueError:
        return "Give an IPv4 network such as 10.0.0.0/16."


def _cidr(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise FieldError("is not a network", _nearest(text)) from None
    if not isinstance(network, IPv4Network):
        raise FieldError("is not an IPv4 network", "Give an IPv4 network such as 10.0.0.0/16.")
    if "/" not in text:
        raise FieldError("is an address, not a network", f"Add a prefix length: {text}/24.")
    if str(network) != text:
        raise FieldError("has bits set beyond its prefix", f"Did you mean {network}?")
    for never in _REACHABLE_NOWHERE:
        if network.overlaps(IPv4Network(never)):
            raise FieldError(
                f"overlaps {never}, which cannot be routed", "Choose a private network such as 10.0.0.0/16."
            )
    return text


Port = Annotated[int, Field(ge=1024, le=65535)]
Cidr = Annotated[str, AfterValidator(_cidr)]
"""An IPv4 network in its normal form: "10.0.0.0/16"."""


class Subnet(Section):
    """One subnet of the cluster's network."""

    cidr: Cidr
    """Its addresses; inside the network's `cidr` where that is given."""
    zone: ZoneName | None = None
    """The zone that it is in, where the platform's subnets have one."""
    public: bool = False
    """Whether it only holds what faces the internet (NAT, load balancers): no machine is ever in it."""


class Peer(Section):
    """A network that this one is, or will be, connected to."""

    name: PlainText
    """What it is called in messages."""
    cidr: Cidr
    """Its addresses; they must not overlap ours."""


def hosts(cidr: str) -> int:
    """How many machines fit into a subnet; 5 addresses are the platform's own."""
    return max(0, IPv4Network(cidr).num_addresses - _RESERVED_ADDRESSES)


def overlaps(named: Sequence[tuple[str, str, str]]) -> Iterator[Problem]:
    """Each overlap of two networks, given as (path, cidr, what it is); told at the later one's path."""
    for (_, left, left_name), (path, right, _) in combinations(named, 2):
        if IPv4Network(left).overlaps(IPv4Network(right)):
            yield Problem(path, f"{right} overlaps {left} ({left_name})", "Choose addresses that nothing else uses.")


def _apart(network: Network) -> Iterator[Problem]:
    subnets = [(f"subnets[{i}].cidr", each.cidr, f"subnets[{i}]") for i, each in enumerate(network.subnets)]
    peers = [(f"peers[{i}].cidr", each.cidr, f'peer "{each.name}"') for i, each in enumerate(network.peers)]
    bridges = [
        ("bridge", network.bridge, "Nomad's bridge"),
        ("docker_bridge", network.docker_bridge, "Docker's bridge"),
    ]
    if network.cidr is None:
        yield from overlaps([*subnets, *bridges, *peers])
        return
    whole = IPv4Network(network.cidr)
    yield from overlaps([("cidr", network.cidr, "the cluster's network"), *bridges, *peers])
    yield from overlaps(subnets)
    for path, cidr, _ in subnets:
        if not IPv4Network(cidr).subnet_of(whole):
            yield Problem(path, f"{cidr} is outside the network {whole}", f"Choose a part of {whole}.")


def _dynamic_ports(network: Network) -> Iterator[Problem]:
    least, most = network.min_dynamic_port, network.max_dynamic_port
    if least > most:
        yield Problem(
            "min_dynamic_port",
            f"min_dynamic_port {least} > max_dynamic_port {most}",
            "Give a range such as 20000 to 32000.",
        )
    within = sorted({port.number for port in PORTS if least <= port.number <= most})
    if within:
        yield Problem(
            "min_dynamic_port",
            f"the range {least}-{most} holds ports of the cluster itself (got {show(within)})",
            "Choose a range without them, such as 20000 to 32000.",
        )


class Network(Section):
    """Addresses of the cluster. Ids that exist only at deploy time are given to the component."""

    checks = (
        (reads("cidr", "subnets", "peers", "bridge", "docker_bridge"), _apart),
        (reads("min_dynamic_port", "max_dynamic_port"), _dynamic_ports),
    )
    hints: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("vpc_id", "subnet_ids", "network_id", "security_group_ids"),
        "It is known only at deploy time: give it to the cluster's component, not to the specification.",
    )

    cidr: Cidr | None = None
    """Addresses of the whole network; none given: the provider chooses."""
    subnets: Many[Subnet] = ()
    """Subnets; none given: the provider divides `cidr` itself."""
    peers: Many[Peer] = ()
    """Networks that this one is connected to and must not overlap."""
    bridge: Cidr = "172.26.64.0/20"
    """Addresses of tasks in Nomad's bridge networks, the same on each machine and never routed."""
    docker_bridge: Cidr = "172.26.80.0/20"
    """Addresses of containers in Docker's own bridge network, the same on each machine and never routed."""
    nat: Literal["zone", "single", "none"] = "zone"
    """Ways out to the internet: one in each zone, a single one, or none."""
    min_dynamic_port: Port = 20000
    """First of the ports that Nomad gives to tasks."""
    max_dynamic_port: Port = 32000
    """Last of the ports that Nomad gives to tasks."""
