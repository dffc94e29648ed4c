"""A cluster in a project: its machines as Compute Engine's VMs."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from hashistack.gcp import labels

from ..box.prod import Prod
from ..cluster import project
from .compute import Vm
from .project import Project


class Datacenter(Prod):
    """What `hashistack up` made in the project."""

    def __init__(self, box: Project, project: project.Project) -> None:
        super().__init__(project)
        self.box = box

    @property
    def archives(self) -> str:
        (bucket,) = self.box.storage.buckets
        return f"gs://{bucket}/by-hand"

    def vms(self, pool: str) -> dict[str, Vm]:
        """VM to what Compute Engine says of it, by id, of a pool's that are there."""
        found = [vm for vm in self.box.compute.vms if vm.template.labels[labels.POOL] == pool]
        return {vm.id: vm for vm in found if vm.id}

    def machines(self, pool: str) -> set[str]:
        return set(self.vms(pool))

    def name(self, pool: str, machine: str) -> str:
        return f"{pool}-{machine}"

    def lose(self, machines: Collection[str]) -> None:
        lost = [vm for vm in self.box.compute.vms if vm.id in machines]
        with ThreadPoolExecutor() as each:
            list(each.map(lambda vm: self.box.machines.container(vm).kill(), lost))
