"""Addresses and ports."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashistack.spec import Network, Peer, SpecError, Subnet, ports
from hashistack.spec.network import hosts

private = st.integers(0, 2**24 - 1).map(lambda bits: (10 << 24) | bits)
networks = st.builds(
    lambda bits, prefix: IPv4Network((bits, prefix), strict=False),
    private,
    st.integers(min_value=10, max_value=28),
)


@given(networks)
def test_any_private_network_in_normal_form_is_good(network: IPv4Network) -> None:
    assert Network(cidr=str(network)).cidr == str(network)


@given(private, st.integers(min_value=10, max_value=28))
def test_host_bits_are_refused_with_the_network_that_was_meant(bits: int, prefix: int) -> None:
    meant = IPv4Network((bits, prefix), strict=False)
    text = f"{IPv4Address(bits)}/{prefix}"
    if str(meant) == text:
        assert Network(cidr=text).cidr == text
    else:
        with pytest.raises(SpecError, match=rf"Did you mean {meant}\?"):
            Network(cidr=text)


@given(networks, networks)
def test_a_peer_is_refused_exactly_where_it_overlaps(ours: IPv4Network, theirs: IPv4Network) -> None:
    def make() -> Network:
        return Network(cidr=str(ours), peers=(Peer(name="x", cidr=str(theirs)),))

    if ours.overlaps(theirs):
        with pytest.raises(SpecError, match=r"peers\[0\]\.cidr: .* overlaps "):
            make()
    else:
        assert make().peers[0].cidr == str(theirs)


@given(networks, networks)
def test_a_subnet_is_refused_exactly_where_it_is_not_inside(ours: IPv4Network, subnet: IPv4Network) -> None:
    def make() -> Network:
        return Network(cidr=str(ours), subnets=(Subnet(cidr=str(subnet)),))

    if subnet.subnet_of(ours):
        assert make().subnets[0].cidr == str(subnet)
    else:
        with pytest.raises(SpecError, match="is outside the network"):
            make()


@given(st.text(alphabet="0123456789./ab", max_size=20))
def test_any_text_is_a_network_or_refused_in_one_line(text: str) -> None:
    try:
        accepted = Network(cidr=text).cidr
    except SpecError as refusal:
        assert len(str(refusal).splitlines()) == 1
    else:
        assert str(ip_network(accepted)) == text


def test_room_in_a_subnet() -> None:
    assert [hosts(cidr) for cidr in ("10.0.0.0/28", "10.0.0.0/24", "10.0.0.0/30")] == [11, 251, 0]


def test_ports_are_unique_on_each_machine_and_outside_of_what_tasks_get() -> None:
    assert list(ports.problems(ports.PORTS)) == []
    network = Network()
    assert not [p for p in ports.PORTS if network.min_dynamic_port <= p.number <= network.max_dynamic_port]


def test_row_48_ports_that_clash() -> None:
    one = ports.Port("one", 8300, ("tcp",), frozenset({"server"}), frozenset({"server"}), "first")
    two = ports.Port("two", 8300, ("tcp",), frozenset({"server"}), frozenset({"server"}), "second")
    low = ports.Port("low", 80, ("tcp",), frozenset({"client"}), frozenset({"server"}), "third")
    assert [problem.line("ports") for problem in ports.problems([one, two, low])] == [
        "ports.two: port 8300 is used twice, by one too. Choose another port.",
        "ports.low: port 80 needs CAP_NET_BIND_SERVICE, which agents do not have. Choose one from 1024 on.",
    ]


def test_who_reaches_what() -> None:
    """The port matrix of the security checklist, from the side of each machine."""
    server = {port.number: port.sources for port in ports.allowed_to("server")}
    client = {port.number: port.sources for port in ports.allowed_to("client")}
    assert server[4648] == server[8201] == {"server"}
    assert server[4647] == server[8300] == server[8301] == {"server", "client"}
    assert server[4646] == server[8200] == {"server", "client", "operator"}
    assert not {8302, 8500, 53, 22} & (server.keys() | client.keys())
    assert set(client) == {4646, 8301}
