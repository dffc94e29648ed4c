"""A second cluster beside the session's: both work, and the end of one is nothing to the other.

It has a pool that lets CSI plugins run, which the session's has not: storage by CSI, too, is tested on it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.networks import Network

from .conftest import finish
from .csi.image import IMAGE, make_image
from .datacenter import Datacenter
from .project import Project, small, until

JOBS = Path(__file__).parent / "jobs"
STORAGE = {"name": "storage", "desired": 1, "node_pool": "storage", "csi": True}


@pytest.fixture(scope="module")
def neighbour(datacenter: Datacenter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datacenter]:
    """It has even the name of the first one."""
    project = Project.of_program(tmp_path_factory.mktemp("beside") / "neighbour", "neighbour")
    cluster = small(datacenter.project.configuration()["cluster"]["name"])
    cluster["clients"].append(STORAGE)
    project.configure(cluster=cluster, arguments={"wait": "servers"})
    try:
        project.run("up")
        made = Datacenter(datacenter.client, project)
        made.healthy()
        yield made
    finally:
        finish(datacenter.client, project)


@pytest.fixture(scope="module")
def storage(neighbour: Datacenter, docker_client: docker.DockerClient) -> Iterator[Datacenter]:
    """The same, with a plugin that runs."""
    make_image(docker_client)
    try:
        neighbour.project.run("load", IMAGE)
        neighbour.vendor("nomad", "job", "run", "-detach", str(JOBS / "csi-plugin.nomad.hcl"))
        until(lambda: healthy(neighbour), 120, lambda: why(neighbour, "csi-plugin"))
        yield neighbour
    finally:
        docker_client.images.remove(IMAGE)


def _network(datacenter: Datacenter) -> Network:
    return datacenter.client.networks.get(datacenter.site)


def _node_ids(datacenter: Datacenter) -> set[str]:
    nodes = [*datacenter.consul("/v1/catalog/nodes"), *datacenter.nomad("/v1/nodes")]
    return {node["ID"] for node in nodes}


def healthy(datacenter: Datacenter) -> bool:
    found = [one for one in datacenter.nomad("/v1/plugins?type=csi") if one["ID"] == "directories"]
    return [(one["ControllersHealthy"], one["NodesHealthy"]) for one in found] == [(1, 1)]


def why(datacenter: Datacenter, job: str) -> str:
    found = datacenter.nomad(f"/v1/job/{job}/allocations")
    return str([(one["ClientStatus"], one["TaskStates"]) for one in found])


def running(datacenter: Datacenter) -> str:
    """The allocation of the job that runs, "" while there is none."""
    found = datacenter.nomad("/v1/job/csi/allocations")
    return next(
        (str(one["ID"]) for one in found if (one["DesiredStatus"], one["ClientStatus"]) == ("run", "running")), ""
    )


def test_a_pool_lets_plugins_run_and_no_other_pool_does(storage: Datacenter) -> None:
    allowed = {
        client.container.labels["hashistack.pool"]: client.configuration("nomad")["plugin"]["docker"]["config"]
        for client in storage.clients
    }
    assert {pool: one["allow_privileged"] for pool, one in allowed.items()} == {"work": False, "storage": True}
    assert {pool: one["volumes"]["enabled"] for pool, one in allowed.items()} == {"work": False, "storage": True}


def test_a_volume_keeps_what_was_written_until_it_is_deleted(storage: Datacenter) -> None:
    storage.vendor("nomad", "volume", "create", str(JOBS / "csi.volume.hcl"))
    storage.vendor("nomad", "job", "run", "-detach", str(JOBS / "csi.nomad.hcl"))
    first = until(lambda: running(storage), 120, lambda: why(storage, "csi"))
    storage.vendor("nomad", "alloc", "stop", "-detach", first)
    second = until(lambda: (now := running(storage)) != first and now, 120, lambda: why(storage, "csi"))

    def read() -> list[str]:
        return storage.exec("container", second, "busybox", "cat", "/data/allocations").split()

    # A task is said to run before its program has come to write.
    until(lambda: read() == [first, second], 20, lambda: str(read()))
    storage.nomad("/v1/job/csi?purge=true", method="DELETE")

    def claimed() -> bool:
        found = storage.nomad("/v1/volume/csi/csi-data")
        return bool(found["Allocations"] or found["WriteAllocs"])

    until(lambda: not claimed(), 120, lambda: str(storage.nomad("/v1/volume/csi/csi-data")))
    storage.vendor("nomad", "volume", "delete", "csi-data")
    assert not storage.nomad("/v1/volumes?type=csi")
    (machine,) = (one for one in storage.clients if one.container.labels["hashistack.pool"] == "storage")
    assert machine.sh("ls /srv") == ""


def test_two_clusters_side_by_side(datacenter: Datacenter, neighbour: Datacenter) -> None:
    project = neighbour.project
    assert neighbour.site != datacenter.site
    assert not set(neighbour.left.ports) & set(datacenter.left.ports)
    subnets = [_network(one).attrs["IPAM"]["Config"][0]["Subnet"] for one in (datacenter, neighbour)]
    assert subnets[0] != subnets[1]
    assert neighbour.healthy()["machines"] != datacenter.healthy()["machines"]
    assert neighbour.connection.nomad.secret != datacenter.connection.nomad.secret
    # C9: no id is the same in both.
    assert len(_node_ids(neighbour)) == 5 + 2
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
