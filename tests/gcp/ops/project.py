"""A Google Cloud project without an account: Compute Engine and its regional groups, in this process.

Each request is judged by Google's discovery document before it is served, and each answer after. It is served as Google
says that a group lives: it makes machines a look later, gives a repaired one the old one's name, holds one that goes in
PENDING_STOP (its template has graceful shutdown), takes a `requestId` once, and answers 503 when it is told to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httplib2

from hashistack.gcp import labels, names

from ..discovery import answers, faults_of, judge

PROJECT, REGION = "x-project", "europe-west1"
ZONES = tuple(f"{REGION}-{letter}" for letter in "bcd")
COMPUTE = "https://www.googleapis.com/compute/v1"

Body = Mapping[str, Any]


class Refused(Exception):
    """An answer that is an error: HTTP's status, Google's reason and message."""

    def __init__(self, status: int, reason: str, message: str, service: str = "") -> None:
        super().__init__(message)
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
        if service:
            details[0]["metadata"] = {"service": service}  # type: ignore[assignment]
        error = {"code": status, "message": message, "errors": [{"reason": reason}], "details": details}
        self.status, self.content = status, json.dumps({"error": error}).encode()


@dataclass
class Template:
    name: str
    labels: dict[str, str]
    metadata: dict[str, str]


@dataclass
class Vm:
    name: str
    zone: str
    template: Template
    group: str
    id: str = ""
    status: str = ""
    action: str = "CREATING"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    errors: tuple[str, ...] = ()


@dataclass
class Group:
    name: str
    template: Template
    target: int
    policy: str = "OPPORTUNISTIC"
    autoscaler: str = ""


@dataclass
class Project:
    """calls: what was asked for that changes something, as method, group or VM, and what was said with it.

    dry: no capacity, the reason: nothing is made. page: VMs on a page. silent_zone: one that answers nothing.
    """

    vms: list[Vm] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    dry: str = ""
    page: int = 100
    away: bool = False
    silent_zone: str = ""
    console: str = ""
    refuse: Callable[[str], Refused | None] = lambda method: None
    lose: list[str] = field(default_factory=list)
    """Methods of which the next answer is lost, after they were served."""
    more: dict[str, Callable[..., Body]] = field(default_factory=dict)
    """Further methods, as other tests need them."""
    fails: str = ""
    """With what the next operation ends."""
    _done: dict[str, str] = field(default_factory=dict)
    _ids: Any = field(default_factory=lambda: count(1000000000000000001))
    _born: Any = field(default_factory=lambda: count())

    def http(self) -> Wire:
        return Wire(self)

    # What a stack makes.

    def template(self, pool: str, bundle: str, site: str, number: int) -> Template:
        own = {labels.CLUSTER: site, labels.POOL: pool.lower(), labels.BUNDLE: labels.digest(bundle)}
        made = Template(f"{names.resource('t', pool)}-{number}", own, {labels.POOL: pool})
        self.templates[made.name] = made
        return made

    def group(self, name: str, template: Template, size: int) -> None:
        self.groups[name] = Group(name, template, size)
        self.settle()
        self.settle()

    # What happens without anybody's call.

    def settle(self) -> None:
        """A moment passes: what was begun goes on by one step."""
        for vm in list(self.vms):
            if vm.status == "STOPPING":
                self.vms.remove(vm)
            elif vm.status == "PROVISIONING":
                vm.status, vm.action = "RUNNING", "NONE"
            elif not vm.status and not self.dry:
                vm.id, vm.status = str(next(self._ids)), "PROVISIONING"
                vm.created = datetime.now(UTC) - timedelta(hours=1) + timedelta(seconds=next(self._born))
            elif self.dry and not vm.status:
                vm.errors = (self.dry,)
        for group in self.groups.values():
            held = [vm for vm in self.vms if vm.group == group.name and vm.action not in ("DELETING", "ABANDONED")]
            for _ in range(group.target - len(held)):
                born = next(self._born)
                zone = ZONES[born % len(ZONES)]
                self.vms.append(Vm(f"{group.name}-{born:04d}", zone, group.template, group.name))

    def leave(self, vm: Vm) -> None:
        """A machine that was told to go has left and powered itself off."""
        assert vm.status == "PENDING_STOP"
        self.vms.remove(vm)

    def repair(self, vm: Vm) -> Vm:
        """The group makes a machine that was lost anew: of its name, in the form of the template that it has now."""
        made = Vm(vm.name, vm.zone, self.groups[vm.group].template, vm.group)
        self.vms[self.vms.index(vm)] = made
        self.settle()
        self.settle()
        return made

    def of(self, machine: str) -> Vm:
        return next(vm for vm in self.vms if vm.id and vm.id == machine.rpartition("-")[2])

    # What it is asked.

    def serve(self, uri: str, method: str, body: Any) -> Body:
        if self.away:
            raise ConnectionRefusedError(111, "Connection refused")
        url = urlsplit(uri)
        api, query = url.netloc.partition(".")[0], dict(parse_qsl(url.query, keep_blank_values=True))
        said = json.loads(body) if body else None
        id_ = judge(api, method, url.path, query, said)
        if refused := self.refuse(id_):
            raise refused
        parts = [unquote(part) for part in url.path.split("/")]
        serves = self.more.get(id_) or getattr(self, id_.removeprefix("compute.").replace(".", "_"))
        answer: Body = serves(parts, query, said or {})
        assert faults_of(api, answers(api, id_), answer, answer=True) == [], id_
        if id_ in self.lose:
            self.lose.remove(id_)
            raise Refused(503, "backendError", "Service Unavailable")
        return answer

    def instances_aggregatedList(self, parts: list[str], query: Mapping[str, str], body: Body) -> Body:
        self.settle()
        key, _, value = query["filter"].removeprefix("labels.").partition("=")
        found = [vm for vm in self.vms if vm.id and vm.template.labels.get(key) == value]
        begin = int(query.get("pageToken", 0))
        some = found[begin : begin + self.page]
        items: dict[str, Any] = {}
        for zone in ZONES:
            here = [_instance(vm) for vm in some if vm.zone == zone]
            nothing = {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results for scope."}}
            items[f"zones/{zone}"] = {"instances": here} if here else nothing
        if self.silent_zone:
            items[f"zones/{self.silent_zone}"] = {"warning": {"code": "UNREACHABLE", "message": "it is silent"}}
        more = {"nextPageToken": str(begin + self.page)} if len(found) > begin + self.page else {}
        return {"kind": "compute#instanceAggregatedList", "items": items, **more}

    def regionInstanceGroupManagers_get(self, parts: list[str], query: Mapping[str, str], body: Body) -> Body:
        group = self._group(parts[8])
        link = f"{COMPUTE}/projects/{PROJECT}/global/instanceTemplates/{group.template.name}"
        return {
            "name": group.name,
            "targetSize": group.target,
            "instanceTemplate": link,
            "versions": [{"instanceTemplate": link, "targetSize": {"calculated": group.target}}],
            "updatePolicy": {"type": group.policy, "minimalAction": "REPLACE"},
            "status": {"isStable": True, **({"autoscaler": group.autoscaler} if group.autoscaler else {})},
        }

    def regionInstanceGroupManagers_listManagedInstances(
        self, parts: list[str], query: Mapping[str, str], body: Body
    ) -> Body:
        group = self._group(parts[8])
        return {
            "managedInstances": [_managed(vm) for vm in self.vms if vm.group == group.name and vm.action != "ABANDONED"]
        }

    def regionInstanceGroupManagers_resize(self, parts: list[str], query: Mapping[str, str], body: Body) -> Body:
        group = self._group(parts[8])

        def change() -> None:
            self.calls.append(("resize", group.name, {"size": int(query["size"])}))
            group.target = int(query["size"])

        return self._operation(query, change)

    def regionInstanceGroupManagers_deleteInstances(
        self, parts: list[str], query: Mapping[str, str], body: Body
    ) -> Body:
        group = self._group(parts[8])

        def change() -> None:
            told = {"instances": list(body["instances"]), "graceful": query.get("noGracefulShutdown") != "true"}
            self.calls.append(("deleteInstances", group.name, told))
            for url in body["instances"]:
                _, zone, _, name = url.split("/")
                found = [vm for vm in self.vms if (vm.zone, vm.name, vm.group) == (zone, name, group.name)]
                if not found or found[0].action == "DELETING":
                    if body.get("skipInstancesOnValidationError"):
                        continue
                    raise Refused(400, "invalid", f"{name} is no member, or is deleted already")
                group.target -= 1
                found[0].action = "DELETING"
                self._ends(found[0], query)

        return self._operation(query, change)

    def regionOperations_wait(self, parts: list[str], query: Mapping[str, str], body: Body) -> Body:
        failed = {"error": {"errors": [{"code": "QUOTA_EXCEEDED", "message": self.fails}]}} if self.fails else {}
        return {"name": parts[8], "status": "DONE", **failed}

    def instanceTemplates_get(self, parts: list[str], query: Mapping[str, str], body: Body) -> Body:
        found = self.templates.get(parts[7])
        if not found:
            raise Refused(404, "notFound", f"The resource '{parts[7]}' was not found")
        return {"name": found.name, "properties": {"labels": found.labels}}

    def instances_delete(self, parts: list[str], query: Mapping[str, str], body: Body) -> Body:
        found = next((vm for vm in self.vms if (vm.zone, vm.name) == (parts[6], parts[8])), None)
        if not found:
            raise Refused(404, "notFound", f"The resource '{parts[8]}' was not found")
        if found.status == "STOPPING":
            raise Refused(400, "resourceNotReady", f"The resource '{parts[8]}' is not ready")

        def change() -> None:
            graceful = query.get("noGracefulShutdown") != "true"
            self.calls.append(("delete", found.name, {"graceful": graceful}))
            self._ends(found, query)

        return self._operation(query, change)

    def instances_getSerialPortOutput(self, parts: list[str], query: Mapping[str, str], body: Body) -> Body:
        assert (query["port"], int(query["start"]) < 0) == ("1", True)
        return {"contents": self.console[int(query["start"]) :], "next": str(len(self.console)), "start": "0"}

    def _ends(self, vm: Vm, query: Mapping[str, str]) -> None:
        runs = vm.status in ("RUNNING", "PROVISIONING") and query.get("noGracefulShutdown") != "true"
        vm.status = "PENDING_STOP" if runs else "STOPPING"

    def _group(self, name: str) -> Group:
        if name not in self.groups:
            raise Refused(404, "notFound", f"The resource '{name}' was not found")
        return self.groups[name]

    def _operation(self, query: Mapping[str, str], change: Callable[[], None]) -> Body:
        """A change that is sent twice with one `requestId` is made once."""
        asked = query["requestId"]
        if asked not in self._done:
            change()
            self._done[asked] = f"operation-{len(self._done)}"
        return {"name": self._done[asked], "status": "RUNNING"}


class Wire:
    """What google-api-python-client sends through: as `httplib2.Http`."""

    def __init__(self, project: Any) -> None:
        self._project = project

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **more: Any
    ) -> tuple[httplib2.Response, bytes]:
        try:
            answer, status, said = self._project.serve(uri, method, body), 200, b""
        except Refused as refused:
            answer, status, said = None, refused.status, refused.content
        if answer is not None:
            said = json.dumps(answer).encode()
        return httplib2.Response({"status": str(status), "content-type": "application/json"}), said

    def close(self) -> None:
        """Nothing is open."""


def _instance(vm: Vm) -> dict[str, Any]:
    made = {"key": "created-by", "value": f"projects/123/regions/{REGION}/instanceGroupManagers/{vm.group}"}
    return {
        "id": vm.id,
        "name": vm.name,
        "zone": f"{COMPUTE}/projects/{PROJECT}/zones/{vm.zone}",
        "status": vm.status,
        "creationTimestamp": vm.created.isoformat(),
        "labels": vm.template.labels,
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
