"""GcpInService: waits until the machines of a new group have said that they are well."""

from __future__ import annotations

import pytest

from hashistack.gcp import labels
from hashistack.gcp.ops import in_service
from hashistack.gcp.ops.groups import ARRIVED
from hashistack.gcp.ops.in_service import PATIENCE_SECONDS, InServiceHandler
from hashistack.provider.handler import Context, Props, ResourceFailed

from ...project.api import Fault
from ...project.compute import PROJECT, REGION, Vm
from .conftest import SITE, Site

NOBODY = Context()


@pytest.fixture
def site(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its machines can say something of themselves; `site.well` has the ids of those that are well."""
    monkeypatch.setattr(in_service, "POLL_SECONDS", 0.0)
    site.project.guest = lambda vm: {ARRIVED: "yes"} if vm.id in site.well else {}
    return site


def pool(site: Site, count: int, tells: bool = True) -> list[Vm]:
    site.pool("web", count)
    template = site.project.groups[site.group("web")].template
    if tells:
        template.properties["metadata"]["items"].append({"key": labels.GUEST_ATTRIBUTES, "value": "TRUE"})
    return [vm for vm in site.project.vms if vm.template is template]


def declared(site: Site) -> Props:
    return {"group": site.group("web"), "project": PROJECT, "region": REGION, "site": SITE}


def handler(site: Site, clock: list[float]) -> InServiceHandler:
    return InServiceHandler(lambda: clock[0], lambda: site.google)


def test_it_ends_when_the_last_machine_is_well_and_says_how_many_are(site: Site) -> None:
    first, last = pool(site, 2)
    site.well.add(first.id)
    site.project.console = lambda vm: f"boots\nhashistack: {vm.name} fetches nomad\n"
    said: list[str] = []

    def log(severity: str, text: str) -> None:
        said.append(text)
        site.well.add(last.id)

    assert handler(site, [0.0]).create(Context(log=log), declared(site)) == (site.group("web"), {})
    assert said == [f"1 of 2 machines in service. web-{last.id}: {last.name} fetches nomad"]


def test_machines_of_the_whole_group_are_waited_for_and_not_those_that_it_has_yet(site: Site) -> None:
    (first,) = pool(site, 1)
    site.well.add(first.id)
    site.project.groups[site.group("web")].target = 2
    said: list[str] = []

    def log(severity: str, text: str) -> None:
        said.append(text)
        site.well.update(vm.id for vm in site.project.vms)

    handler(site, [0.0]).create(Context(log=log), declared(site))
    assert said[0] == "1 of 2 machines in service."


def ended(site: Site, match: str) -> ResourceFailed:
    clock = [0.0]

    def log(severity: str, text: str) -> None:
        clock[0] += PATIENCE_SECONDS / 2 + 1

    with pytest.raises(ResourceFailed, match=match) as failed:
        handler(site, clock).create(Context(log=log), declared(site))
    assert clock[0] > PATIENCE_SECONDS
    return failed.value


def test_without_progress_it_ends_with_the_machine_that_is_late_and_what_it_said_last(site: Site) -> None:
    (late,) = pool(site, 1)
    site.project.console = lambda vm: "hashistack: storage does not answer yet, again in 8 s: 403\nlogin:\n"
    told = f"0 of 1 machines are in service. It says: web-{late.id}: storage does not answer yet, again in 8 s: 403"
    failed = ended(site, told)
    assert f"get-serial-port-output {late.name} --zone {late.zone} --project {PROJECT}" in failed.remedy


def test_without_progress_it_ends_with_what_the_group_says(site: Site) -> None:
    site.project.dry = "no capacity in this zone"
    pool(site, 1)
    failed = ended(site, r"0 of 1 machines are in service\. It says: no capacity in this zone")
    assert "other `machine_types`" in failed.remedy


def test_machines_of_an_earlier_release_can_say_nothing_and_are_not_waited_for(site: Site) -> None:
    pool(site, 2, tells=False)
    handler(site, [0.0]).create(NOBODY, declared(site))


def test_another_group_is_waited_for_and_nothing_else(site: Site) -> None:
    pool(site, 1)
    olds, waits = declared(site), InServiceHandler().diff
    assert waits(NOBODY, "g", olds, {**olds, "group": "other"}).update == ("group",)
    assert waits(NOBODY, "g", olds, olds).update == ()


def test_a_group_that_is_not_there_is_said_at_once(site: Site) -> None:
    pool(site, 1)
    gone = declared(site)
    site.project.groups.clear()
    with pytest.raises(ResourceFailed, match="is not there"):
        handler(site, [0.0]).create(NOBODY, gone)


def test_without_the_right_to_look_it_warns_and_goes_on(site: Site) -> None:
    """As the look before an `up` does: Pulumi's provider may have other credentials."""
    pool(site, 1)
    site.apis.faults.append(Fault("compute.instances.getGuestAttributes", 403, "Required permission"))
    said: list[tuple[str, str]] = []
    handler(site, [0.0]).create(Context(log=lambda severity, text: said.append((severity, text))), declared(site))
    ((severity, text),) = said
    assert severity == "warning" and "may not call compute.instances.getGuestAttributes" in text


def test_whoever_cancels_ends_it(site: Site) -> None:
    pool(site, 1)
    ctx = Context()
    ctx.cancelled.set()
    with pytest.raises(ResourceFailed, match=r"cancelled while .* had 0 of 1 machines in service"):
        handler(site, [0.0]).create(ctx, declared(site))
