"""Compute Engine's hardware: a container for each VM that is to run, and what the metadata server says of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import RLock
from typing import Any

import docker

from ..box.containers import Containers
from .addresses import CIDR, METADATA
from .compute import NUMBER, PROJECT, REGION, Compute, Vm
from .metadata import Instance

LABEL, NETWORK = "hashistack.tests.project", "project-machines"
_IMAGE = Path(__file__).parent / "image"
_RUN = ("RUNNING", "PENDING_STOP")


class Machines:
    """The containers of one project; `vm-<id>` is each one's name in Docker, as VMs' own names come again."""

    def __init__(self, client: docker.DockerClient, compute: Compute, ca: Path) -> None:
        self._compute, self._containers = compute, Containers(client, LABEL, _IMAGE, ca, METADATA)
        self.left, self.remove = self._containers.left, self._containers.remove
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="machines")
        self._started: set[str] = set()
        self._told: dict[str, Instance] = {}
        self._lock = RLock()

    def step(self) -> None:
        """Containers follow the VMs, and Compute Engine those that ended by themselves."""
        with self._lock:
            running, wanted = self._containers.running(), {vm.id: vm for vm in self._compute.vms if vm.status in _RUN}
            for id in self._started & wanted.keys():
                if not running.get(_name(id), False):
                    self._compute.ended(wanted.pop(id))
            for vm in wanted.values():
                self.of(vm)  # whoever waits for a change of it hears of it
            list(self._pool.map(self._end, self._started - wanted.keys()))
            list(self._pool.map(self._start, (vm for vm in wanted.values() if vm.id not in self._started)))
            self._containers.keep_networks({NETWORK} if wanted else set())

    def whose(self, address: str) -> Instance | None:
        """Who asks the metadata server from this address."""
        return next((self.of(vm) for vm in self._compute.vms if vm.ip == address and vm.status in _RUN), None)

    def of(self, vm: Vm) -> Instance:
        """What the metadata server says of a VM now."""
        found = self._told.get(vm.id)
        if found is None:
            found = self._told[vm.id] = Instance(vm.id, vm.name, vm.ip, vm.template.account, vm.zone, PROJECT, NUMBER)
            found.spot, found.machine_type = vm.template.spot, str(vm.template.properties.get("machineType", ""))
            group = f"projects/{NUMBER}/regions/{REGION}/instanceGroupManagers/{vm.group}"
            template = f"projects/{NUMBER}/global/instanceTemplates/{vm.template.name}"
            found.attributes = {**vm.template.metadata, "created-by": group, "instance-template": template}
        found.stop_state = vm.status if vm.status == "PENDING_STOP" else ""
        found.preempted = vm.preempted
        return found

    def container(self, vm: Vm) -> Any:
        """Docker's own of a VM's machine."""
        return self._containers.get(_name(vm.id))

    def console(self, vm: Vm) -> str:
        """What the machine has written to its console."""
        return self._containers.console(_name(vm.id))

    def reset(self, vm: Vm) -> None:
        """The machine starts again, as after `gcloud compute instances reset`."""
        with self._lock:  # or it would be taken for one that ended
            self.container(vm).kill()
            self.container(vm).start()

    def _start(self, vm: Vm) -> None:
        self._started.add(vm.id)
        self._containers.start(_name(vm.id), vm.name, NETWORK, CIDR, vm.ip)

    def _end(self, id: str) -> None:
        self._started.discard(id)
        self._containers.end(_name(id))


def _name(id: str) -> str:
    return f"vm-{id}"
