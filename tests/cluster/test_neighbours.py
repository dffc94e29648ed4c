"""A second cluster beside the session's: both work, and the end of one is nothing to the other."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from docker.models.networks import Network

from .datacenter import Datacenter
from .project import Project, small


def _network(datacenter: Datacenter) -> Network:
    return datacenter.client.networks.get(datacenter.site)


def _node_ids(datacenter: Datacenter) -> set[str]:
    nodes = [*datacenter.consul("/v1/catalog/nodes"), *datacenter.nomad("/v1/nodes")]
    return {node["ID"] for node in nodes}


def test_two_clusters_side_by_side(datacenter: Datacenter, make_project: Callable[[str], Project]) -> None:
    project = make_project("neighbour")
    # Even its name is the first one's.
    name = datacenter.project.configuration()["cluster"]["name"]
    project.configure(cluster=small(name), arguments={"wait": "servers"})
    project.run("up")
    neighbour = Datacenter(datacenter.client, project)

    assert neighbour.site != datacenter.site
    assert not set(neighbour.left.ports) & set(datacenter.left.ports)
    subnets = [_network(one).attrs["IPAM"]["Config"][0]["Subnet"] for one in (datacenter, neighbour)]
    assert subnets[0] != subnets[1]
    assert neighbour.healthy()["machines"] != datacenter.healthy()["machines"]
    assert neighbour.connection.nomad.secret != datacenter.connection.nomad.secret
    # C9: no id is the same in both.
    assert len(_node_ids(neighbour)) == 4 + 1
    assert not _node_ids(neighbour) & _node_ids(datacenter)
    key, value = f"neighbour-{secrets.token_hex(4)}", secrets.token_hex(8)
    neighbour.vendor("consul", "kv", "put", key, value)
    assert neighbour.vendor("consul", "kv", "get", key).strip() == value
    datacenter.vendor("consul", "kv", "get", key, code=1)

    before = [machine.container.id for machine in datacenter.machines()]
    # A container that its user has put into the cluster's network is no reason to stay: it is named, and runs on.
    image = datacenter.machines()[0].container.image
    beside = datacenter.client.containers.run(
        image, ["3600"], entrypoint="sleep", network=neighbour.site, name=f"beside-{neighbour.site}", detach=True
    )
    try:
        said = project.run("down", "--yes")
        beside.reload()
        assert beside.status == "running"
    finally:
        beside.remove(force=True)
    assert f"container {beside.name} is not of this cluster" in said
    assert "no container, network or volume of it is left" in said
    assert neighbour.left.now(datacenter.client) == []
    assert project.processes() == {}
    assert [machine.container.id for machine in datacenter.machines()] == before
    datacenter.healthy()
    assert "nothing to do" in project.run("down", "--yes") or "gone" in project.run("down", "--yes")
