"""Regional managed instance groups and their VMs as a driver sees them: two lists of Compute Engine, put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from hashistack.gcp import labels
from hashistack.gcp.ops.session import Google, GoogleFailed

TERMINATED = ("STOPPED", "SUSPENDED", "SUSPENDING", "TERMINATED")
"""What somebody or something stopped: its group makes it anew, with another id and an empty disk."""
LEAVING = ("DEPROVISIONING", "PENDING_STOP", "STOPPING")
ARRIVED = "hashistack/arrived"
"""The guest attribute by which a machine says that it is well."""
_BOOTS = ("PENDING", "PROVISIONING", "STAGING")
_CONSOLE_BYTES = 16384
_UNKNOWN = {"", "NO_RESULTS_ON_PAGE"}
"""Warnings of a list that leave nothing out."""


@dataclass(frozen=True)
class Vm:
    """One VM with our labels. `name` is Google's, which another VM has after a repair; `status` is Google's own word.

    pool: the pool's name as its machines know it. group: the one that made it. tells: it can say of itself that it is
    well (see `arrived`); machines of earlier instance templates can't.
    """

    id: str
    name: str
    zone: str
    status: str
    started: datetime
    pool: str
    bundle: str
    group: str
    tells: bool = False

    @property
    def machine(self) -> str:
        """What the machine calls itself in Nomad, Consul and Vault."""
        return f"{self.pool}-{self.id}"

    @property
    def url(self) -> str:
        """As its group is told of it."""
        return f"zones/{self.zone}/instances/{self.name}"


@dataclass(frozen=True)
class Group:
    """One group. target: how many machines it is to have. template: the instance template that it makes machines from,
    as `relative` has it. autoscaler: of Google's, "" without. rolls: it replaces old machines by itself.

    actions: id of a VM to what the group does with it, as `DELETING`; VMs that are not made yet have none. errors: what
    its last attempts at single VMs ended with.
    """

    name: str
    target: int
    template: str
    autoscaler: str = ""
    rolls: bool = False
    actions: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """One look. groups: by name, those that were asked for and those that machines say they are of. vms: the machines,
    oldest first."""

    groups: Mapping[str, Group]
    vms: tuple[Vm, ...]

    def action(self, vm: Vm) -> str:
        """What its group does with it; "" for a VM that no group has."""
        group = self.groups.get(vm.group)
        return group.actions.get(vm.id, "") if group else ""

    def state(self, vm: Vm) -> Literal["running", "leaving", "terminated"]:
        """A rollout's word."""
        action = self.action(vm)
        if action == "DELETING" or (action == "RECREATING" and vm.status not in _BOOTS):
            return "leaving"
        if action == "RESTARTING":
            return "running"
        if vm.status in TERMINATED:
            return "terminated"
        return "leaving" if vm.status in LEAVING else "running"

    def held(self, group: str) -> tuple[Vm, ...]:
        """Machines that the group counts towards its size, and that run."""
        found = self.groups[group].actions
        return tuple(vm for vm in self.vms if vm.id in found and self.state(vm) == "running")

    def named(self, names: Collection[str]) -> tuple[Vm, ...]:
        """The machines of these names, those left out that are no more."""
        return tuple(vm for vm in self.vms if vm.machine in names)


def look(google: Google, project: str, region: str, site: str, groups: Iterable[str]) -> Seen:
    """What there is of the cluster `site` now; `groups` that do not exist are missing from the answer.

    The VMs come first: one that is made in between is in the next look, and one that goes is in no group.
    """
    found = tuple(sorted(vms(google, project, site), key=lambda vm: (vm.started, vm.id)))
    wanted = {*groups, *(vm.group for vm in found)} - {""}
    known = (group(google, project, region, name) for name in sorted(wanted))
    return Seen({one.name: one for one in known if one}, found)


def vms(google: Google, project: str, site: str) -> Iterator[Vm]:
    """Every VM that carries the label of the cluster. Raises GoogleFailed where a zone can't be asked: its machines are
    not lost."""
    asked = f"labels.{labels.CLUSTER}={site}"
    for page in google.pages("compute.instances.aggregatedList", project=project, filter=asked):
        for place, found in page.get("items", {}).items():
            warning = found.get("warning", {})
            if warning.get("code", "") not in _UNKNOWN:
                what = f"Google can't tell the machines of {place} ({warning.get('message') or warning['code']})"
                raise GoogleFailed(what, "repeat in a minute")
            yield from map(_vm, found.get("instances", ()))
        if unreachable := page.get("unreachables"):
            raise GoogleFailed(f"Google can't tell the machines of {', '.join(unreachable)}", "repeat in a minute")


def _vm(said: Mapping[str, Any]) -> Vm:
    metadata = {one["key"]: one.get("value", "") for one in said.get("metadata", {}).get("items", ())}
    own = said.get("labels", {})
    return Vm(
        id=str(said["id"]),
        name=said["name"],
        zone=said["zone"].rpartition("/")[2],
        status=said["status"],
        started=datetime.fromisoformat(said.get("lastStartTimestamp") or said["creationTimestamp"]),
        pool=metadata.get(labels.POOL) or own.get(labels.POOL, ""),
        bundle=labels.sha256(own.get(labels.BUNDLE, "")),
        group=metadata.get("created-by", "").rpartition("/")[2],
        tells=metadata.get(labels.GUEST_ATTRIBUTES, "").upper() == "TRUE",
    )


def arrived(google: Google, project: str, vm: Vm) -> bool:
    """Whether the machine has said that it is well, by a guest attribute (`platform-gcp arrived`)."""
    where = {"project": project, "zone": vm.zone, "instance": vm.name}
    try:
        google.ask("compute.instances.getGuestAttributes", **where, queryPath=ARRIVED)
    except GoogleFailed as failed:
        if failed.status == 404:  # it has said nothing, or is gone
            return False
        raise
    return True


def console(google: Google, project: str, vm: Vm) -> str:
    """The end of what the machine has written to its console."""
    where = {"project": project, "zone": vm.zone, "instance": vm.name}
    said = google.ask("compute.instances.getSerialPortOutput", **where, port=1, start=str(-_CONSOLE_BYTES))
    return str(said.get("contents", ""))


def group(google: Google, project: str, region: str, name: str) -> Group | None:
    """The group of that name, None where there is none."""
    where = {"project": project, "region": region, "instanceGroupManager": name}
    try:
        said = google.ask("compute.regionInstanceGroupManagers.get", **where)
        pages = list(google.pages("compute.regionInstanceGroupManagers.listManagedInstances", **where))
    except GoogleFailed as failed:
        if failed.status == 404:
            return None
        raise
    managed = [one for page in pages for one in page.get("managedInstances", ())]
    templates = [version.get("instanceTemplate", "") for version in said.get("versions", ())]
    return Group(
        name=name,
        target=said["targetSize"],
        template=relative(said.get("instanceTemplate") or (templates[0] if len(templates) == 1 else "")),
        autoscaler=said.get("status", {}).get("autoscaler", "").rpartition("/")[2],
        rolls=said.get("updatePolicy", {}).get("type") == "PROACTIVE",
        actions={str(one["id"]): one.get("currentAction", "NONE") for one in managed if one.get("id")},
        errors=tuple(
            dict.fromkeys(
                str(error.get("message") or error.get("code"))
                for one in managed
                for error in one.get("lastAttempt", {}).get("errors", {}).get("errors", ())
            )
        ),
    )


def relative(link: str) -> str:
    """A link without host and version of the API, and without the unique id that Pulumi adds:
    `projects/<project>/global/instanceTemplates/<name>`."""
    path = link.partition("?")[0]
    return path[path.find("projects/") :] if "projects/" in path else path
