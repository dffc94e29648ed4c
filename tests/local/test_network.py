"""A cluster's ports and subnet are its own for as long as it exists; its network takes no machine with it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

import docker
import pytest

from hashistack.local import labels, ranges
from hashistack.local.handlers.network import NetworkHandler
from hashistack.provider.handler import Context, Props, ResourceFailed

HANDLER = NetworkHandler()


class Docker:
    """Lists what clusters have made."""

    def __init__(self, networks: list[Props], machines: list[Props]) -> None:
        self.there = {"networks": networks, "machines": machines}

    def networks(self, *, filters: Any) -> list[Props]:
        return [{"Labels": said} for said in self.there["networks"]]

    def containers(self, *, all: bool, filters: Any) -> list[Props]:
        assert all, "stopped ones too"
        return [{"Labels": said} for said in self.there["machines"]]

    def inspect_container(self, container: str) -> Props:
        raise AssertionError("nobody is asked")


def test_what_labels_name_is_reserved() -> None:
    networks = [{labels.PORT_BASE: "24000"}]
    machines = [
        {labels.PORT_BASE: "24024", labels.ADDRESS: "10.213.1.9"},
        {labels.POOL: "server"},  # of a release that did not write them
    ]
    reserved = ranges.reserved(Docker(networks, machines))
    assert reserved.port_bases == {24000, 24024}
    assert reserved.has(IPv4Network("10.213.1.0/24"))
    assert not reserved.has(IPv4Network("10.213.0.0/24"))


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    made = docker.from_env(timeout=60)
    yield made
    made.close()


@pytest.fixture
def site(client: docker.DockerClient) -> Iterator[Props]:
    """The inputs of a network; what a test makes of it is removed."""
    site = f"network-{secrets.token_hex(4)}"
    yield {"site": site, "labels": {labels.SITE: site}, "cidr": None}
    for network in client.api.networks(filters=labels.of(site)):
        client.api.remove_network(network["Id"])


def test_two_clusters_have_ports_and_subnets_of_their_own_though_nobody_listens(
    client: docker.DockerClient, site: Props
) -> None:
    other = {**site, "site": f"{site['site']}-b", "labels": {labels.SITE: f"{site['site']}-b"}}
    try:
        (_, first), (id, second) = (HANDLER.create(Context(), one) for one in (site, other))
        assert first["port_base"] != second["port_base"]
        assert not IPv4Network(first["cidr"]).overlaps(IPv4Network(second["cidr"]))
    finally:
        for network in client.api.networks(filters=labels.of(other["site"])):
            client.api.remove_network(network["Id"])
    HANDLER.delete(Context(), id, {**other, **second})  # gone already


def test_a_network_that_docker_pruned_is_made_again_with_the_same_range(
    client: docker.DockerClient, site: Props
) -> None:
    id, made = HANDLER.create(Context(), site)
    olds = {**site, **made}
    assert not HANDLER.diff(Context(), id, olds, site).update
    client.api.remove_network(made["network"])
    diff = HANDLER.diff(Context(), id, olds, site)
    assert (diff.update, diff.replace) == (("network",), ()), "a replacement would take its machines with it"
    again = HANDLER.update(Context(), id, olds, site)
    assert again["network"] != made["network"]
    assert {**again, "network": ""} == {**made, "network": ""}
    # Deleting the one that is gone removes nothing of the cluster.
    HANDLER.delete(Context(), id, olds)
    assert HANDLER.diff(Context(), id, {**site, **again}, site).update == ()
    HANDLER.delete(Context(), id, {**site, **again})
    assert client.api.networks(filters=labels.of(site["site"])) == []


def test_where_its_range_is_taken_meanwhile_that_is_said_and_nothing_is_made(
    client: docker.DockerClient, site: Props
) -> None:
    # One that no cluster takes by itself: while nobody has it, another test would.
    site = {**site, "cidr": f"198.18.{secrets.randbelow(256)}.0/24"}
    id, made = HANDLER.create(Context(), site)
    client.api.remove_network(made["network"])
    ipam = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=made["cidr"])])
    foreign = client.api.create_network(f"{site['site']}-foreign", ipam=ipam)["Id"]
    try:
        with pytest.raises(
            ResourceFailed, match=r"can't be made again: .*Its machines are kept\. Next: remove the network"
        ):
            HANDLER.update(Context(), id, {**site, **made}, site)
    finally:
        client.api.remove_network(foreign)


def test_each_cluster_has_a_port_for_its_names_that_is_in_nobodys_block() -> None:
    bases = [ranges.port_base(index) for index in range(ranges.CLUSTERS)]
    dns = [ranges.dns_port(base) for base in bases]
    assert len(set(dns)) == ranges.CLUSTERS
    assert min(dns) >= bases[-1] + ranges.PORTS
    assert max(dns) < 32768  # Linux's ephemeral ports begin there
