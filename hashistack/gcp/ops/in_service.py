"""GcpInService's handler: waits until a managed instance group has as many machines in service as it wants."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from hashistack.cloud import in_service
from hashistack.provider.handler import Context, Diff, Props, ResourceFailed, changed

if TYPE_CHECKING:
    from hashistack.gcp.ops.groups import Vm
    from hashistack.gcp.ops.session import Google

POLL_SECONDS = 7.0
"""Google answers for the guest attributes of one machine 10 times a minute.
https://cloud.google.com/compute/docs/metadata/manage-guest-attributes"""
PATIENCE_SECONDS = 900.0
"""Without one more machine: an official image installs packages first, and a slow mirror takes minutes."""


class InServiceHandler(in_service.InService):
    """Inputs: group (its name), project, region, site. No outputs.

    Google's own word for it (`isStable`) is that machines run. Here each says itself that it is well, as it does to the
    launch hook on AWS.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, google: Callable[[], Google] | None = None) -> None:
        self._clock, self._google = clock, google or _google

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        return Diff(update=changed(olds, news, among=("group",)))

    def _wait(self, ctx: Context, news: Props) -> None:
        from hashistack.gcp.ops.session import GoogleFailed

        name, known = str(news["group"]), set[str]()
        try:
            google = self._google()
            in_service.wait(
                ctx,
                name,
                lambda: _look(google, news, known),
                patience=PATIENCE_SECONDS,
                poll=POLL_SECONDS,
                clock=self._clock,
            )
        except GoogleFailed as failed:
            if not failed.denied:
                raise ResourceFailed(f"{name}: {failed.what}", failed.remedy) from failed
            # Pulumi's provider may have credentials that these calls have not.
            ctx.warn(f"{name}: nobody waits until its machines are in service: {failed.what}")


def _look(google: Google, news: Props, known: set[str]) -> in_service.Service:
    """known: ids of machines that have said that they are well."""
    from hashistack.gcp.ops import groups

    name, project = str(news["group"]), str(news["project"])
    vms = tuple(vm for vm in groups.vms(google, project, str(news["site"])) if vm.group == name)
    group = groups.group(google, project, str(news["region"]), name)
    if group is None:
        raise ResourceFailed(f"the managed instance group {name} is not there", "pulumi refresh, then repeat")
    held = groups.Seen({name: group}, vms).held(name)
    known |= {vm.id for vm in held if vm.id not in known and (not vm.tells or groups.arrived(google, project, vm))}
    late = [vm for vm in held if vm.id not in known]
    said, remedy = "; ".join(group.errors), "mend that, or give the pool other `machine_types`; then repeat"
    if late:
        said = said or _last_line(google, project, late[0])
        remedy = (
            f"look at its console (gcloud compute instances get-serial-port-output {late[0].name} --zone "
            f"{late[0].zone} --project {project}), mend that, then repeat"
        )
    return in_service.Service(len(held) - len(late), group.target, said, remedy)


def _last_line(google: Google, project: str, vm: Vm) -> str:
    """What our programs have said last on a machine's console."""
    from hashistack.cloud.group_driver import evidence
    from hashistack.gcp.ops import groups
    from hashistack.gcp.ops.session import GoogleFailed

    try:
        lines = evidence(groups.console(google, project, vm)).splitlines()
    except GoogleFailed:
        return ""  # it is only told
    ours = [line.partition("hashistack: ")[2] for line in lines if "hashistack: " in line]
    return f"{vm.machine}: {ours[-1]}" if ours else ""


def _google() -> Google:
    from hashistack.gcp.ops.session import Google

    return Google()
