"""examples/prod in a project in a box: real engine, real startup scripts, machines of managed instance groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..box.prod import brought_up, plugin
from ..box.suite import OLD, Losses, Upgrade, Whole
from ..cluster.project import until
from ..cluster.service import Asking, Service
from .addresses import CIDR
from .compute import PROJECT, REGION
from .datacenter import Datacenter
from .project import Project

pytestmark = pytest.mark.cluster

CLUSTER: dict[str, Any] = {
    "network": {"cidr": CIDR},
    "versions": OLD,
    "upgrade": {"min_healthy_time": "2s"},
    "clients": [
        {"name": "services", "min": 1, "max": 4, "desired": 1},
        {"name": "batch", "min": 0, "max": 2, "desired": 1, "spot": True, "all_spot": True},
    ],
}


@pytest.fixture(scope="module")
def prod(box: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Datacenter]:
    """The example's program to the letter: three servers and two pools, on Google Cloud by its configuration alone."""
    place, before = tmp_path_factory.mktemp("prod"), everything(box)
    with brought_up(
        place,
        plugin(place / "bin", "gcp", "tests.project.plugin.server"),
        box.environment,
        {"gcp:project": PROJECT, "gcp:region": REGION},
        provider="gcp",
        protect=False,
        cluster=CLUSTER,
    ) as project:
        yield Datacenter(box, project)
    assert everything(box) == before
    # Docker's containers follow.
    until(lambda: not box.machines.left(), 60, "nothing is left in Docker")


def everything(box: Project) -> list[set[Any]]:
    """What the project has, but for the key of the seal, which Google never deletes."""
    compute = box.compute
    kinds = (compute.groups, compute.templates, compute.kept, box.secrets.secrets, box.storage.buckets)
    return [{vm.name for vm in compute.vms}, *map(set, kinds)]


class TestWhole(Whole):
    pass


def test_one_pool_is_of_spot_machines(prod: Datacenter) -> None:
    found = {pool: {vm.template.spot for vm in prod.vms(pool).values()} for pool in prod.declared}
    assert found == {"server": {False}, "services": {False}, "batch": {True}}


def test_vault_opens_by_the_key_service(prod: Datacenter, box: Project) -> None:
    seal = prod.cluster.vault.api.call("GET", "/v1/sys/seal-status").data
    assert (seal["type"], seal["sealed"]) == ("gcpckms", False)
    asked = {seen.whose for seen in box.kms.seen if seen.method == "cloudkms.Decrypt"}
    assert asked == {vm.template.account for vm in prod.vms("server").values()}


def test_a_changed_pool_is_replaced_and_loses_no_request(prod: Datacenter) -> None:
    before = prod.everywhere()
    services, batch = CLUSTER["clients"]
    changed = {**CLUSTER, "clients": [{**services, "meta": {"disks": "fast"}}, batch]}
    prod.project.configure(cluster=changed)
    service = Service(prod, "asked", contained=True).start()
    with Asking(service) as asking:
        prod.project.run("up", seconds=300)
        assert prod.everywhere() == before, "a new template changes no machine"
        said = prod.project.run("rollout", seconds=300)
    print(f"{asking.asked} requests\n{said}")
    assert asking.failed == []
    service.stop()
    # The old one has left the cluster, and ends itself a moment later.
    until(lambda: prod.sizes() == prod.declared, 60, lambda: str(prod.everywhere()))
    after = prod.everywhere()
    assert not after.pop("services") & before.pop("services")
    assert after == before


class TestUpgrade(Upgrade):
    pass


class TestLosses(Losses):
    pass


def test_nothing_strange_was_asked(prod: Datacenter, box: Project) -> None:
    assert (box.apis.refused, box.kms.refused, box.problems) == ([], [], [])
