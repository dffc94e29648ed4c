"""examples/prod in a project in a box: real engine, real startup scripts, machines of managed instance groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hashistack.gcp import labels

from ..box.prod import Prod, brought_up, plugin
from ..cluster.project import until
from ..cluster.service import Asking, Service
from .addresses import API, CIDR
from .compute import PROJECT, REGION, Vm
from .project import Project

pytestmark = pytest.mark.cluster

READY_SECONDS = 300
CLUSTER: dict[str, Any] = {
    "network": {"cidr": CIDR},
    "upgrade": {"min_healthy_time": "2s"},
    "clients": [
        {"name": "services", "min": 1, "max": 4, "desired": 1},
        {"name": "batch", "min": 0, "max": 2, "desired": 1, "spot": True, "all_spot": True},
    ],
}


@pytest.fixture(scope="module")
def prod(box: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prod]:
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
        yield Prod(project)
    assert everything(box) == before
    # Docker's containers follow.
    until(lambda: not box.machines.left(), 60, "nothing is left in Docker")


def everything(box: Project) -> list[set[Any]]:
    """What the project has, but for the key of the seal, which Google never deletes."""
    compute = box.compute
    kinds = (compute.groups, compute.templates, compute.kept, box.secrets.secrets, box.storage.buckets)
    return [{vm.name for vm in compute.vms}, *map(set, kinds)]


def pools(box: Project) -> dict[str, dict[str, Vm]]:
    """Pool to the machines of it that are there, by id."""
    found: dict[str, dict[str, Vm]] = {}
    for vm in list(box.compute.vms):
        found.setdefault(vm.template.labels[labels.POOL], {})[vm.id] = vm
    return found


def test_it_is_all_that_is_declared(prod: Prod, box: Project) -> None:
    prod.ready(READY_SECONDS)
    assert {pool: len(machines) for pool, machines in pools(box).items()} == {"server": 3, "services": 1, "batch": 1}
    assert {pool: {vm.template.spot for vm in machines.values()} for pool, machines in pools(box).items()} == {
        "server": {False}, "services": {False}, "batch": {True},
    }  # fmt: skip


def test_vault_opens_by_the_key_service(prod: Prod, box: Project) -> None:
    seal = prod.cluster.vault.api.call("GET", "/v1/sys/seal-status").data
    assert (seal["type"], seal["sealed"]) == ("gcpckms", False)
    asked = {seen.whose for seen in box.kms.seen if seen.method == "cloudkms.Decrypt"}
    assert asked == {vm.template.account for vm in pools(box)["server"].values()}


def test_the_commands_know_it(prod: Prod, box: Project) -> None:
    assert prod.project.run("status")
    assert f"NOMAD_ADDR=https://{API}:4646" in prod.project.run("env", "--shell", "sh")
    (bucket,) = box.storage.buckets
    place = f"gs://{bucket}/by-hand"
    saved = prod.project.run("snapshot", "save", place)
    (archive,) = {key for key in box.storage.contents(bucket) if key.startswith("by-hand/")}
    assert archive in saved
    assert archive.rpartition("/")[2] in prod.project.run("snapshot", "list", place)


def test_another_up_changes_nothing(prod: Prod, box: Project) -> None:
    before = pools(box)
    assert "nothing to change" in prod.project.run("up", seconds=300)
    assert pools(box) == before


def test_a_changed_pool_is_replaced_and_loses_no_request(prod: Prod, box: Project) -> None:
    before = pools(box)
    services, batch = CLUSTER["clients"]
    changed = {**CLUSTER, "clients": [{**services, "meta": {"disks": "fast"}}, batch]}
    prod.project.configure(cluster=changed)
    service = Service(prod, "asked", contained=True).start()  # type: ignore[arg-type]
    with Asking(service) as asking:
        prod.project.run("up", seconds=300)
        assert pools(box) == before, "a new template changes no machine"
        said = prod.project.run("rollout", seconds=300)
    print(f"{asking.asked} requests\n{said}")
    assert asking.failed == []
    service.stop()
    # The old one has left the cluster, and ends itself a moment later.
    until(lambda: len(pools(box)["services"]) == 1, 60, lambda: str(pools(box)))
    after = pools(box)
    assert not after.pop("services").keys() & before.pop("services").keys()
    assert after == before


def test_a_server_that_is_lost_is_made_anew_and_healed(prod: Prod, box: Project) -> None:
    prod = Prod(prod.project)
    lost = next(iter(pools(box)["server"].values()))
    box.machines.container(lost).kill()
    until(lambda: lost not in box.compute.vms, 30, "its group makes another")
    (new,) = [vm for vm in box.compute.vms if vm.name == lost.name]
    prod.project.run("heal", seconds=300)
    prod.ready(READY_SECONDS)
    assert new.id in pools(box)["server"]
    assert prod.left(f"server-{lost.id}")


def test_nothing_strange_was_asked(prod: Prod, box: Project) -> None:
    assert (box.apis.refused, box.kms.refused, box.problems) == ([], [], [])
