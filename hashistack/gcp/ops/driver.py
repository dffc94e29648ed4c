"""Managed instance groups as a rollout's pools: what Google Cloud can do with the machines of a cluster.

The group that a stack made says what a machine is: `pulumi up` has named its instance template. The driver only says
how many there are and which one goes, one change at a time; graceful shutdown then lets the machine run and drain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import uuid4

from hashistack.cloud import group_driver
from hashistack.gcp import labels
from hashistack.gcp.ops import groups
from hashistack.gcp.ops.groups import Group, Seen, Vm
from hashistack.gcp.ops.session import Google, GoogleFailed
from hashistack.ops.api.connection import Connection, Pool
from hashistack.ops.rollout.driver import DriverFailed, Instance

WAITS = 20
"""How often an operation is waited for, each time for up to 2 min: it is done when Google has taken the order."""
_MANAGERS = "compute.regionInstanceGroupManagers"


class GcpDriver(group_driver.GroupDriver):
    """The machines of one cluster on Google Cloud, by their labels and their groups. See `ops.driver.PoolDriver`.

    google: Google's APIs; None asks them with the operator's credentials.
    """

    cloud = "Google Cloud"
    cannot_stop = (
        "on Google Cloud a managed instance group makes anew what stops, and the data goes. Next: give pools a "
        "smaller `desired`. After hashistack down no archive of the cluster can be restored"
    )
    boot_seconds = 840.0
    """As on the other cloud: an official image installs packages first."""
    leave_seconds = 480.0
    """A group takes a machine from its load balancers first, 30 s for ours and up to 60 s more, and then stops it."""

    def __init__(self, connection: Connection, google: Google | None = None) -> None:
        self._site, self._given = connection.name, google
        self._pools = {pool.name: pool for pool in connection.pools}

    def instances(self) -> tuple[Instance, ...]:
        now, seen = datetime.now(UTC), self._look()
        return tuple(
            Instance(
                name=vm.machine,
                pool=vm.pool,
                bundle=vm.bundle,
                state=seen.state(vm),
                age=max(0.0, (now - vm.started).total_seconds()),
            )
            for vm in seen.vms
        )

    def servers(self) -> dict[str, Vm]:
        """The servers that run, by name."""
        seen, pools = self._look(), {pool.name for pool in self._pools.values() if pool.role == "server"}
        return {vm.machine: vm for vm in seen.vms if vm.pool in pools and seen.state(vm) == "running"}

    def size(self, pool: Pool) -> int:
        return self._sizes[pool.name]

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Of all pools, once: the rollout changes what the groups say."""
        seen = self._look()
        return {
            pool.name: group_driver.size(
                pool,
                seen.groups[name := self._group(pool.name)].target,
                self._most(pool),
                rolling=len({vm.bundle for vm in seen.held(name)}) > 1,
            )
            for pool in self._pools.values()
        }

    def check(self, pool: str) -> None:
        self._fit(pool, self._look().groups[self._group(pool)])

    def grow(self, pool: str, count: int) -> tuple[str, ...]:
        name, seen = self._group(pool), self._look()
        group, held = seen.groups[name], seen.held(name)
        self._fit(pool, group)
        # What an earlier call asked for, or the group makes anew, and is not there yet, is part of `count`.
        target, most = max(group.target, len(held) + count), self._most(self._pools[pool])
        if target > most:
            raise DriverFailed(
                f"{pool}: there are {len(held)} machines, {count} more are needed for a while, and it may have {most}",
                "give the pool a higher `max` (or a lower `upgrade.max_surge`), then hashistack up",
            )
        if target > group.target:
            with _asking():
                self._order(f"{_MANAGERS}.resize", name, size=target)
        before = {vm.id for vm in held}
        new = group_driver.arrivals(
            lambda: [vm.machine for vm in self._look().held(name) if vm.id not in before], count
        )
        if len(new) >= count:
            return new
        said = "; ".join(self._look().groups[name].errors) or "nothing"
        raise DriverFailed(
            f"{pool}: {len(new)} of {count} machines were started within {group_driver.LISTED_SECONDS:.0f} s, and the "
            f"managed instance group {name} goes on trying. It says: {said}",
            "mend that, or give the pool other `machine_types`; then repeat",
        )

    def terminate(self, names: Sequence[str]) -> None:
        seen = self._look()
        self._take(seen, [vm for vm in seen.named(names) if seen.state(vm) != "leaving"])

    def discard(self, names: Sequence[str]) -> None:
        seen = self._look()
        self._take(seen, seen.named(names), noGracefulShutdown=True)

    def evidence(self, name: str) -> str:
        try:
            found = self._look().named({name})
            with _asking():
                return "\n".join(group_driver.evidence(groups.console(self._google, self._project, vm)) for vm in found)
        except DriverFailed as error:
            return f"{name}: its console can't be read: {error}"  # a failed rollout has its own reason to tell

    def _look(self) -> Seen:
        """Everything now. Without all the declared groups nothing is known: no machine may be taken for lost."""
        wanted = {self._group(pool) for pool in self._pools}
        with _asking():
            seen = groups.look(self._google, self._project, self._region, self._site, wanted)
        if missing := sorted(wanted - seen.groups.keys()):
            raise DriverFailed(
                f"project {self._project} has no managed instance group {', '.join(missing)} in {self._region}",
                "where somebody deleted it, pulumi refresh and hashistack up",
            )
        return seen

    def _fit(self, pool: str, group: Group) -> None:
        """Refuses a group that would not make what the stack declares."""
        again, declared = "pulumi up (or hashistack up), so that both agree", self._pools[pool]
        template = groups.relative(str(declared.template.get("instance_template", "")))
        if group.template != template:
            made, stack = (link.rpartition("/")[2] or "none" for link in (group.template, template))
            raise DriverFailed(
                f"{pool}: the managed instance group {group.name} makes machines from the instance template {made}, "
                f"and the stack declares {stack}",
                again,
            )
        if group.rolls:
            raise DriverFailed(
                f"{pool}: the managed instance group {group.name} replaces machines by itself (its update policy is "
                "PROACTIVE), several servers at once",
                "pulumi refresh and hashistack up, so that it does not",
            )
        if group.autoscaler:
            raise DriverFailed(
                f"{pool}: Google's autoscaler {group.autoscaler} says how large the managed instance group "
                f"{group.name} is, and would undo what a rollout does",
                f"gcloud compute instance-groups managed stop-autoscaling {group.name} --region {self._region}",
            )
        name = template.rpartition("/")[2]
        with _asking():
            said = self._google.ask("compute.instanceTemplates.get", project=self._project, instanceTemplate=name)
        bundle = labels.sha256(said.get("properties", {}).get("labels", {}).get(labels.BUNDLE, ""))
        if bundle != declared.bundle:
            raise DriverFailed(
                f"{pool}: the instance template {name} makes bundle {bundle[:12] or 'none'}, and the stack declares "
                f"{declared.bundle[:12]}",
                again,
            )

    def _most(self, pool: Pool) -> int:
        """How many machines its group may have, with a roll's: a managed instance group itself has no limit."""
        if pool.role == "server":
            return pool.count + 1
        return max(int(pool.template.get("max", 0)), pool.count) + pool.policy.max_surge

    def _take(self, seen: Seen, vms: Collection[Vm], **more: bool) -> None:
        """Have machines taken away, each group's at once.

        A group is told by Google's names. Of a machine that it makes anew at this moment another has the name: it is a
        new one, and the next look finds it missing.
        """
        of_group: dict[str, list[Vm]] = defaultdict(list)
        for vm in vms:
            # A group does no more for one that it takes away already.
            of_group["" if seen.action(vm) in ("", "ABANDONING", "DELETING") else vm.group].append(vm)
        with _asking():
            for vm in of_group.pop("", ()):
                self._delete(vm, **more)
            for group, some in of_group.items():
                # What somebody else takes at this moment is left out, and is no error.
                body = {"instances": [vm.url for vm in some], "skipInstancesOnValidationError": True}
                self._order(f"{_MANAGERS}.deleteInstances", group, body=body, **more)

    def _delete(self, vm: Vm, **more: bool) -> None:
        try:
            self._google.ask(
                "compute.instances.delete",
                project=self._project,
                zone=vm.zone,
                instance=vm.name,
                requestId=str(uuid4()),
                **more,
            )
        except GoogleFailed as failed:
            # It is gone, or so far gone that it takes no orders.
            if failed.status != 404 and failed.reason != "resourceNotReady":
                raise

    def _order(self, method: str, group: str, **given: Any) -> None:
        """A change of a group, until Google has taken it. It may be sent twice: Google knows the second by its id."""
        where = {"project": self._project, "region": self._region}
        operation = self._google.ask(method, **where, instanceGroupManager=group, requestId=str(uuid4()), **given)
        for _ in range(WAITS):
            if operation.get("status") == "DONE":
                break
            operation = self._google.ask("compute.regionOperations.wait", **where, operation=operation["name"])
        else:
            raise GoogleFailed(f"{method}: Google has not come to it", "repeat in a minute")
        if errors := operation.get("error", {}).get("errors"):
            told = "; ".join(str(one.get("message") or one.get("code")) for one in errors)
            raise GoogleFailed(f"{method}: {told}", "mend what it says, then repeat")

    def _group(self, pool: str) -> str:
        return self._of_template(pool, "group")

    @cached_property
    def _project(self) -> str:
        return self._of_template(next(iter(self._pools)), "project")

    @cached_property
    def _region(self) -> str:
        return self._of_template(next(iter(self._pools)), "region")

    def _of_template(self, pool: str, key: str) -> str:
        if value := self._pools[pool].template.get(key):
            return str(value)
        raise DriverFailed(
            f"{pool}: the stack names no {key} of its machines", "pulumi up (or hashistack up), so that it does"
        )

    @cached_property
    def _google(self) -> Google:
        return self._given or Google()


@contextmanager
def _asking() -> Iterator[None]:
    """Tells a failed call as the rollout's own error."""
    try:
        yield
    except GoogleFailed as failed:
        raise DriverFailed(failed.what, failed.remedy) from failed
