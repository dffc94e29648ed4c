"""Compute Engine: instance templates, regional managed instance groups and their VMs, as Google says that they live.

A group makes machines a look later, gives a repaired one the old one's name, holds one that goes in PENDING_STOP where
its template has graceful shutdown, and takes a `requestId` once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

from .api import Call, Refused

PROJECT, NUMBER, REGION = "x-project", "123456789012", "europe-west1"
ZONES = tuple(f"{REGION}-{letter}" for letter in "bcd")
COMPUTE = "https://www.googleapis.com/compute/v1"
_KEPT = {"addresses", "firewalls", "forwardingRules", "networks", "regionBackendServices", "regionHealthChecks",
         "routers", "subnetworks"}  # fmt: skip
NOTICE_SECONDS = 30.0
"""What a preempted VM has. https://cloud.google.com/compute/docs/instances/preemptible#preemption-process"""
_PERMISSIONS = {
    "instanceTemplates.delete": "compute.instanceTemplates.delete",
    "instanceTemplates.get": "compute.instanceTemplates.get",
    "instanceTemplates.insert": "compute.instanceTemplates.create",
    "instances.aggregatedList": "compute.instances.list",
    "instances.delete": "compute.instances.delete",
    "instances.getGuestAttributes": "compute.instances.getGuestAttributes",
    "instances.getSerialPortOutput": "compute.instances.getSerialPortOutput",
}

Body = Mapping[str, Any]


@dataclass
class Template:
    """properties: those of the API's InstanceTemplate."""

    name: str
    properties: Mapping[str, Any]

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.properties.get("labels", {}))

    @property
    def metadata(self) -> dict[str, str]:
        return {one["key"]: one["value"] for one in self.properties.get("metadata", {}).get("items", ())}

    @property
    def account(self) -> str:
        """The email of the machines' service account."""
        return next((str(one["email"]) for one in self.properties.get("serviceAccounts", ())), "")

    @property
    def spot(self) -> bool:
        return self.properties.get("scheduling", {}).get("provisioningModel") == "SPOT"

    @property
    def holds(self) -> float:
        """Seconds that a machine runs on when it is to stop."""
        shutdown = self.properties.get("scheduling", {}).get("gracefulShutdown", {})
        return float(shutdown.get("maxDuration", {}).get("seconds", 600)) if shutdown.get("enabled") else 0.0


@dataclass
class Vm:
    """action: what its group does with it. ends: when its shutdown or its notice is over, by `Compute.clock`."""

    name: str
    zone: str
    template: Template
    group: str
    id: str = ""
    ip: str = ""
    status: str = ""
    action: str = "CREATING"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    errors: tuple[str, ...] = ()
    preempted: bool = False
    ends: float = float("inf")


@dataclass
class Group:
    """base: what its machines are called. repairs: it makes anew what fails; newest: from its present template."""

    name: str
    template: Template
    target: int
    policy: str = "OPPORTUNISTIC"
    autoscaler: str = ""
    base: str = ""
    repairs: bool = True
    newest: bool = True
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Compute:
    """calls: what was asked for that changes something, as method, group or VM, and what was said with it.

    looks: each list of machines lets a moment pass; else `settle` alone does. dry: no capacity, the reason: nothing
    is made. page: VMs on a page. empty_pages: before each an empty one, as filtered lists may have. silent_zone:
    one that answers nothing. fails: with what the next operation ends. addresses: of new VMs. types: machine type
    to its zones. quotas: metric to limit and usage. disks: of no VM. console: what a VM has written. guest: what it
    has said of itself, `<namespace>/<key>` to value. frontend: the
    address of the next load balancer. kept: collection and name to what is only written down.
    """

    vms: list[Vm] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    looks: bool = True
    dry: str = ""
    page: int = 100
    empty_pages: bool = False
    silent_zone: str = ""
    fails: str = ""
    addresses: Iterator[str] = field(default_factory=lambda: (f"10.0.{n // 250}.{n % 250 + 2}" for n in count()))
    types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    quotas: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    disks: list[dict[str, Any]] = field(default_factory=list)
    console: Callable[[Vm], str] = lambda vm: ""
    guest: Callable[[Vm], Mapping[str, str]] = lambda vm: {}
    clock: Callable[[], float] = time.monotonic
    frontend: str = "10.0.255.9"
    kept: dict[tuple[str, str], Body] = field(default_factory=dict)
    _done: dict[str, str] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: count(1000000000000000001))
    _born: Any = field(default_factory=lambda: count())

    def group(self, name: str, template: Template, size: int) -> None:
        """A group with its machines, which run."""
        self.groups[name] = Group(name, template, size, base=name)
        self.settle()
        self.settle()

    # What happens without anybody's call.

    def settle(self) -> None:
        """A moment passes: what was begun goes on by one step."""
        for vm in list(self.vms):
            self._step(vm)
        for group in self.groups.values():
            held = [vm for vm in self.vms if vm.group == group.name and vm.action not in ("DELETING", "ABANDONED")]
            for _ in range(group.target - len(held)):
                born = next(self._born)
                zone = ZONES[born % len(ZONES)]
                self.vms.append(Vm(f"{group.base}-{born:04d}", zone, group.template, group.name))

    def _step(self, vm: Vm) -> None:
        group = self.groups.get(vm.group)
        if vm.status == "STOPPING" and vm.action == "DELETING":
            self.vms.remove(vm)
        elif vm.status == "STOPPING":
            vm.status = "TERMINATED"
        elif vm.status in ("RUNNING", "PENDING_STOP") and self.clock() >= vm.ends:
            vm.status = "STOPPING"
        elif vm.status == "TERMINATED" and group and group.repairs and vm.action == "NONE" and not self.looks:
            self._again(vm, group)
        elif vm.status == "PROVISIONING":
            vm.status, vm.action = "RUNNING", "NONE"
        elif not vm.status and not self.dry:
            vm.id, vm.ip, vm.status = str(next(self._ids)), next(self.addresses), "PROVISIONING"
            vm.created = datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=next(self._born))
        elif self.dry and not vm.status:
            vm.errors = (self.dry,)

    def leave(self, vm: Vm) -> None:
        """A machine that was told to go has left and powered itself off."""
        assert vm.status == "PENDING_STOP"
        self.vms.remove(vm)

    def ended(self, vm: Vm) -> None:
        """A machine has powered itself off, was told to go or not."""
        vm.status = "STOPPING" if vm.action == "DELETING" else "TERMINATED"

    def preempt(self, vm: Vm) -> None:
        """Google wants a spot machine back: graceful shutdown does not hold it."""
        assert vm.template.spot
        vm.preempted, vm.ends = True, self.clock() + NOTICE_SECONDS

    def repair(self, vm: Vm) -> Vm:
        """The group makes a machine that was lost anew: of its name, in the form of the template that it has now."""
        made = self._again(vm, self.groups[vm.group])
        self.settle()
        self.settle()
        return made

    def _again(self, vm: Vm, group: Group) -> Vm:
        made = Vm(vm.name, vm.zone, group.template if group.newest else vm.template, vm.group, action="RECREATING")
        self.vms[self.vms.index(vm)] = made
        return made

    def of(self, machine: str) -> Vm:
        """The VM of a machine's name, which ends in its id."""
        return next(vm for vm in self.vms if vm.id and vm.id == machine.rpartition("-")[2])

    # What it is asked.

    def __getattr__(self, name: str) -> Callable[[Call], Body]:
        """Methods of what is only written down: networks, firewall rules, load balancers."""
        collection, _, verb = name.partition("_")
        if collection not in _KEPT or verb not in ("insert", "get", "delete"):
            raise AttributeError(name)
        return partial(self._kept, collection, verb)

    def _kept(self, collection: str, verb: str, call: Call) -> Body:
        if verb == "insert":
            more = {"address": self.frontend} if collection == "addresses" else {}
            made = {**call.said, **more}
            return self._operation(call, lambda: self.kept.update({(collection, call.said["name"]): made}))
        place = (collection, call.path[-1])
        if place not in self.kept:
            raise Refused(404, "notFound", f"The resource '{call.path[-1]}' was not found")
        return self.kept[place] if verb == "get" else self._operation(call, lambda: self.kept.pop(place, None))

    def fronts(self) -> list[tuple[str, int]]:
        """Addresses and ports of the load balancers."""
        rules = [said for (collection, _), said in list(self.kept.items()) if collection == "forwardingRules"]
        return [(str(rule["IPAddress"]), int(port)) for rule in rules for port in rule["ports"]]

    def targets(self, address: str, port: int) -> list[tuple[str, int]]:
        """Where a connection to a load balancer may go: to the machines of its group that run."""
        rules = [said for (collection, _), said in list(self.kept.items()) if collection == "forwardingRules"]
        for rule in rules:
            if rule["IPAddress"] == address and str(port) in rule["ports"]:
                service = self.kept["regionBackendServices", str(rule["backendService"]).rpartition("/")[2]]
                groups = {str(each["group"]).rpartition("/")[2] for each in service["backends"]}
                return [(vm.ip, port) for vm in list(self.vms) if vm.group in groups and vm.status == "RUNNING"]
        return []

    def needs(self, call: Call) -> tuple[str, str]:
        """The permission that a call needs, and the resource; others than a machine's have the whole project's."""
        method = call.method.removeprefix("compute.")
        return _PERMISSIONS.get(method, f"compute.{method}"), f"projects/{PROJECT}"

    def instances_aggregatedList(self, call: Call) -> Body:
        if self.looks:
            self.settle()
        asked = call.query.get("filter", "")
        wanted = dict(part.strip().split("=", 1) for part in asked.split(" AND ") if part)
        found = [vm for vm in self.vms if vm.id and all(_has(vm, name, value) for name, value in wanted.items())]
        pages = [found[first : first + self.page] for first in range(0, len(found), self.page)] or [[]]
        if self.empty_pages:
            pages = [each for page in pages for each in ([], page)]
        number = int(call.query.get("pageToken") or 0)
        items: dict[str, Any] = {}
        for zone in ZONES:
            here = [_instance(vm) for vm in pages[number] if vm.zone == zone]
            nothing = {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results for scope."}}
            items[f"zones/{zone}"] = {"instances": here} if here else nothing
        if self.silent_zone:
            items[f"zones/{self.silent_zone}"] = {"warning": {"code": "UNREACHABLE", "message": "it is silent"}}
        more = {"nextPageToken": str(number + 1)} if number + 1 < len(pages) else {}
        return {"kind": "compute#instanceAggregatedList", "items": items, **more}

    def disks_aggregatedList(self, call: Call) -> Body:
        name, _, value = call.query["filter"].removeprefix("labels.").partition("=")
        zone = f"{COMPUTE}/projects/{PROJECT}/zones/{ZONES[0]}"
        found = [{"zone": zone, **disk} for disk in self.disks if disk.get("labels", {}).get(name) == value]
        return {"items": {f"zones/{ZONES[0]}": {"disks": found}}}

    def regions_get(self, call: Call) -> Body:
        if call.path[-1] != REGION:
            raise Refused(404, "notFound", f"The resource '{call.path[-1]}' was not found")
        quotas = [{"metric": name, "limit": limit, "usage": used} for name, (limit, used) in self.quotas.items()]
        zones = [f"{COMPUTE}/projects/{PROJECT}/zones/{zone}" for zone in ZONES]
        return {"name": REGION, "status": "UP", "zones": zones, "quotas": quotas}

    def machineTypes_aggregatedList(self, call: Call) -> Body:
        return {
            "items": {
                f"zones/{zone}": {
                    "machineTypes": [
                        {"name": name, "guestCpus": int(name.rpartition("-")[2])}
                        for name, zones in self.types.items()
                        if zone in zones and f'name = "{name}"' in call.query["filter"]
                    ]
                }
                for zone in ZONES
            }
        }

    def instanceTemplates_insert(self, call: Call) -> Body:
        def change() -> None:
            self.templates[call.said["name"]] = Template(call.said["name"], call.said["properties"])

        return self._operation(call, change)

    def instanceTemplates_get(self, call: Call) -> Body:
        found = self.templates.get(call.path[7])
        if not found:
            raise Refused(404, "notFound", f"The resource '{call.path[7]}' was not found")
        return {"name": found.name, "selfLink": _template_link(found), "properties": found.properties}

    def instanceTemplates_delete(self, call: Call) -> Body:
        name = call.path[7]
        if any(group.template.name == name for group in self.groups.values()):
            raise Refused(400, "resourceInUseByAnotherResource", f"The instance_template resource '{name}' is in use")
        return self._operation(call, lambda: self.templates.pop(name, None))

    def regionInstanceGroupManagers_insert(self, call: Call) -> Body:
        said = call.said

        def change() -> None:
            lifecycle = said.get("instanceLifecyclePolicy", {})
            self.groups[said["name"]] = Group(
                said["name"],
                self._linked(said),
                int(said["targetSize"]),
                said.get("updatePolicy", {}).get("type", "OPPORTUNISTIC"),
                base=said["baseInstanceName"],
                repairs=lifecycle.get("defaultActionOnFailure", "REPAIR") == "REPAIR",
                newest=lifecycle.get("forceUpdateOnRepair") == "YES",
                document=said,
            )

        return self._operation(call, change)

    def regionInstanceGroupManagers_patch(self, call: Call) -> Body:
        group, said = self._group(call.path[8]), call.said

        def change() -> None:
            if "versions" in said:
                group.template = self._linked(said)
            group.target = int(said.get("targetSize", group.target))
            group.policy = said.get("updatePolicy", {}).get("type", group.policy)
            group.document = {**group.document, **said}

        return self._operation(call, change)

    def regionInstanceGroupManagers_delete(self, call: Call) -> Body:
        group = self._group(call.path[8])

        def change() -> None:
            for vm in [vm for vm in self.vms if vm.group == group.name]:
                vm.action = "DELETING"
                self._ends(vm, call.query)
            del self.groups[group.name]

        return self._operation(call, change)

    def regionInstanceGroupManagers_get(self, call: Call) -> Body:
        group = self._group(call.path[8])
        link = _template_link(group.template)
        return {
            **group.document,
            "name": group.name,
            "targetSize": group.target,
            "instanceGroup": f"{COMPUTE}/projects/{PROJECT}/regions/{REGION}/instanceGroups/{group.name}",
            "instanceTemplate": link,
            "versions": [{"instanceTemplate": link, "targetSize": {"calculated": group.target}}],
            "updatePolicy": {"type": group.policy, "minimalAction": "REPLACE"},
            "status": {"isStable": True, **({"autoscaler": group.autoscaler} if group.autoscaler else {})},
        }

    def regionInstanceGroupManagers_listManagedInstances(self, call: Call) -> Body:
        group = self._group(call.path[8])
        return {
            "managedInstances": [_managed(vm) for vm in self.vms if vm.group == group.name and vm.action != "ABANDONED"]
        }

    def regionInstanceGroupManagers_resize(self, call: Call) -> Body:
        group = self._group(call.path[8])

        def change() -> None:
            self.calls.append(("resize", group.name, {"size": int(call.query["size"])}))
            group.target = int(call.query["size"])
            held = [vm for vm in self.vms if vm.group == group.name and vm.action not in ("DELETING", "ABANDONED")]
            for vm in held[group.target :]:
                vm.action = "DELETING"
                self._ends(vm, call.query)

        return self._operation(call, change)

    def regionInstanceGroupManagers_deleteInstances(self, call: Call) -> Body:
        group = self._group(call.path[8])

        def change() -> None:
            graceful = call.query.get("noGracefulShutdown") != "true"
            told = {"instances": list(call.said["instances"]), "graceful": graceful}
            self.calls.append(("deleteInstances", group.name, told))
            for url in call.said["instances"]:
                _, zone, _, name = url.split("/")
                found = [vm for vm in self.vms if (vm.zone, vm.name, vm.group) == (zone, name, group.name)]
                if not found or found[0].action == "DELETING":
                    if call.said.get("skipInstancesOnValidationError"):
                        continue
                    raise Refused(400, "invalid", f"{name} is no member, or is deleted already")
                group.target -= 1
                found[0].action = "DELETING"
                self._ends(found[0], call.query)

        return self._operation(call, change)

    def regionOperations_wait(self, call: Call) -> Body:
        return self._finished(call)

    def globalOperations_wait(self, call: Call) -> Body:
        return self._finished(call)

    def instances_delete(self, call: Call) -> Body:
        found = next((vm for vm in self.vms if (vm.zone, vm.name) == (call.path[6], call.path[8])), None)
        if not found:
            raise Refused(404, "notFound", f"The resource '{call.path[8]}' was not found")
        if found.status == "STOPPING":
            raise Refused(400, "resourceNotReady", f"The resource '{call.path[8]}' is not ready")

        def change() -> None:
            graceful = call.query.get("noGracefulShutdown") != "true"
            self.calls.append(("delete", found.name, {"graceful": graceful}))
            if found.action == "ABANDONED":
                found.action = "DELETING"
            self._ends(found, call.query)

        return self._operation(call, change)

    def instances_getGuestAttributes(self, call: Call) -> Body:
        vm = next((vm for vm in self.vms if (vm.zone, vm.name) == (call.path[6], call.path[8])), None)
        path = call.query["queryPath"]
        value = self.guest(vm).get(path) if vm else None
        if value is None:
            raise Refused(404, "notFound", f"The resource '{path}' of type 'Guest Attribute' was not found.")
        namespace, _, key = path.partition("/")
        return {"queryPath": path, "queryValue": {"items": [{"namespace": namespace, "key": key, "value": value}]}}

    def instances_getSerialPortOutput(self, call: Call) -> Body:
        assert (call.query["port"], int(call.query["start"]) < 0) == ("1", True)
        vm = next((vm for vm in self.vms if (vm.zone, vm.name) == (call.path[6], call.path[8])), None)
        said = self.console(vm) if vm else ""
        return {"contents": said[int(call.query["start"]) :], "next": str(len(said)), "start": "0"}

    def _ends(self, vm: Vm, query: Mapping[str, str]) -> None:
        graceful = query.get("noGracefulShutdown") != "true" and vm.template.holds and not vm.preempted
        if vm.status in ("RUNNING", "PROVISIONING") and graceful:
            vm.status, vm.ends = "PENDING_STOP", self.clock() + vm.template.holds
        elif vm.status != "PENDING_STOP" or not graceful:
            vm.status = "STOPPING"

    def _group(self, name: str) -> Group:
        if name not in self.groups:
            raise Refused(404, "notFound", f"The resource '{name}' was not found")
        return self.groups[name]

    def _linked(self, said: Body) -> Template:
        """The template that a group's document names."""
        name = said["versions"][0]["instanceTemplate"].rpartition("/")[2].partition("?")[0]
        if name not in self.templates:
            raise Refused(400, "invalid", f"The instance template '{name}' was not found")
        return self.templates[name]

    def _operation(self, call: Call, change: Callable[[], Any]) -> Body:
        """A change that is sent twice with one `requestId` is made once."""
        asked = call.query.get("requestId", f"none-{len(self._done)}")
        if asked not in self._done:
            change()
            self._done[asked] = f"operation-{len(self._done)}"
        return {"name": self._done[asked], "status": "RUNNING"}

    def _finished(self, call: Call) -> Body:
        failed = {"error": {"errors": [{"code": "QUOTA_EXCEEDED", "message": self.fails}]}} if self.fails else {}
        return {"name": call.path[-2], "status": "DONE", **failed}


@dataclass
class ServiceUsage:
    """Which APIs a project has enabled."""

    enabled: tuple[str, ...] = ()

    def services_list(self, call: Call) -> Body:
        assert (call.path[3], call.query["filter"]) == (PROJECT, "state:ENABLED")
        return {"services": [{"config": {"name": name}, "state": "ENABLED"} for name in self.enabled]}


def _has(vm: Vm, name: str, value: str) -> bool:
    return vm.status == value if name == "status" else vm.template.labels.get(name.removeprefix("labels.")) == value


def _template_link(template: Template) -> str:
    return f"{COMPUTE}/projects/{PROJECT}/global/instanceTemplates/{template.name}"


def _instance(vm: Vm) -> dict[str, Any]:
    made = {"key": "created-by", "value": f"projects/{NUMBER}/regions/{REGION}/instanceGroupManagers/{vm.group}"}
    return {
        "id": vm.id,
        "name": vm.name,
        "zone": f"{COMPUTE}/projects/{PROJECT}/zones/{vm.zone}",
        "status": vm.status,
        "creationTimestamp": vm.created.isoformat(),
        "labels": vm.template.labels,
        "networkInterfaces": [{"networkIP": vm.ip}],
        "metadata": {"items": [made, *({"key": key, "value": value} for key, value in vm.template.metadata.items())]},
    }


def _managed(vm: Vm) -> dict[str, Any]:
    errors = [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": text} for text in vm.errors]
    return {
        "name": vm.name,
        "instance": f"{COMPUTE}/projects/{PROJECT}/zones/{vm.zone}/instances/{vm.name}",
        "currentAction": vm.action,
        **({"id": vm.id, "instanceStatus": vm.status} if vm.id else {}),
        **({"lastAttempt": {"errors": {"errors": errors}}} if errors else {}),
    }
