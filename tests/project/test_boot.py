"""A cluster boots from its instance templates' own metadata in a project in a box: no engine, everything else real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hashistack.gcp.args import GcpClusterArgs
from hashistack.gcp.ops.driver import GcpDriver
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.readiness.checks import readiness, wait
from hashistack.testing import record

from ..cluster.project import until
from ..gcp.cases import program
from .addresses import CIDR
from .compute import Vm
from .live import Live
from .project import Project

pytestmark = pytest.mark.cluster

READY_SECONDS = 240
VERSIONS = {"nomad": "1.11.3", "consul": "1.22.3", "vault": "1.21.2"}


@dataclass
class Booted:
    """A cluster of three servers and two clients, as its program has made it."""

    box: Project
    connection: Connection

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.connection)

    def machines(self, pool: str) -> list[Vm]:
        """The pool's machines that run."""
        group = next(str(one.template["group"]) for one in self.connection.pools if one.name == pool)
        return [vm for vm in self.box.compute.vms if vm.group == group and vm.status == "RUNNING"]

    def ready(self, smoke: bool = False) -> None:
        wait(self.cluster, readiness(self.connection, smoke), READY_SECONDS, lambda update: None)


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    spec = {
        "name": "prod",
        "clients": [{"name": "web", "min": 1, "max": 2, "desired": 2}],
        "network": {"cidr": CIDR},
        "versions": VERSIONS,
    }
    with pytest.MonkeyPatch.context() as patch, Project(late=3) as box:
        patch.setenv("PULUMI_HOME", str(tmp_path_factory.mktemp("pulumi")))
        made = record(program(GcpClusterArgs(spec=spec, protect=False)), Live(box.google())).result
        found = Booted(box, Connection.parse(json.loads(made["connection"])))
        try:
            found.ready()
            yield found
        finally:
            _keep(box)


def _keep(box: Project) -> None:
    """Consoles, for who looks why it failed: pytest shows them."""
    for vm in box.compute.vms:
        print(f"--- {vm.name} ({vm.status})\n{box.machines.console(vm)[-20000:]}")


def test_it_is_ready_for_jobs(booted: Booted) -> None:
    booted.ready(smoke=True)
    assert booted.box.problems == []
    assert booted.box.apis.refused == booted.box.kms.refused == []


def test_vault_opens_by_cloud_kms(booted: Booted) -> None:
    seal = booted.cluster.vault.api.call("GET", "/v1/sys/seal-status").data
    assert (seal["type"], seal["sealed"]) == ("gcpckms", False)
    (account,) = {vm.template.account for vm in booted.machines("server")}
    asked = {seen.method for seen in booted.box.kms.seen if seen.whose == account}
    assert asked >= {"cloudkms.GetCryptoKey", "cloudkms.Encrypt", "cloudkms.Decrypt"}
    assert {seen.whose for seen in booted.box.kms.seen} == {account}, "clients have no business with it"


def test_a_server_that_was_reset_opens_its_vault_again(booted: Booted) -> None:
    seen, server = booted.box.apis.seen, booted.machines("server")[0]
    fetched = [each.resource for each in seen if each.method == "storage.objects.get"]
    opened = len(booted.box.kms.seen)
    booted.box.machines.reset(server)
    until(lambda: len(booted.box.kms.seen) > opened, READY_SECONDS, lambda: booted.box.machines.console(server))
    booted.ready()
    assert [each.resource for each in seen if each.method == "storage.objects.get"] == fetched, "all of it was there"
    assert booted.box.machines.console(server)


def test_a_machine_that_is_taken_away_drains_and_ends_itself(booted: Booted) -> None:
    """The driver's order puts it into PENDING_STOP; it sees that, leaves the cluster and powers itself off."""
    leaving, stays = booted.machines("web")
    name = f"web-{leaving.id}"
    GcpDriver(booted.connection, booted.box.google()).terminate([name])
    assert leaving.status == "PENDING_STOP"
    console = lambda: booted.box.machines.console(leaving)  # noqa: E731
    until(lambda: leaving not in booted.box.compute.vms, 90, console)
    members = booted.cluster.consul.api.call("GET", "/v1/agent/members").data
    assert {one["Name"]: one["Status"] for one in members}.get(name, 3) == 3, "it has left, and did not fail"
    assert booted.machines("web") == [stays]
