"""AwsInService: waits for what a group wants itself, and lets go of machines that can't end their group's wait."""

from __future__ import annotations

import pytest

from hashistack.aws.ops import in_service
from hashistack.aws.ops.in_service import PATIENCE_SECONDS, InServiceHandler
from hashistack.provider.handler import Context, Props, ResourceFailed

from .conftest import REGION, Site, instance_id
from .lifecycle import Lifecycle

NOBODY = Context()


def declared(site: Site, least: int = 0, most: int = 4) -> Props:
    return {"group": site.group("web"), "region": REGION, "access": {}, "sizes": [least, most]}


def handler(site: Site, clock: list[float]) -> InServiceHandler:
    return InServiceHandler(lambda: clock[0], lambda props: (site.autoscaling, site.ec2))


def names(site: Site) -> list[str]:
    return [one.name for one in site.driver().instances()]


def test_a_group_that_has_more_machines_than_its_least_is_well(site: Site) -> None:
    """The provider asks for exactly as many as the state knows: after 3, 5 and 3 servers that never comes true."""
    site.pool("web", 3, least=1)
    assert handler(site, [0.0]).create(NOBODY, declared(site, 1)) == (site.group("web"), {})


def test_one_failed_activity_is_told_and_waited_out(
    site: Site, lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pool("web", 2)
    lifecycle.says = "no capacity in this zone"
    late = names(site)[0]
    site.put(late, "Pending:Wait")
    said: list[str] = []

    def log(severity: str, text: str) -> None:
        said.append(text)
        site.put(late, "InService")

    monkeypatch.setattr(in_service, "POLL_SECONDS", 0.0)
    handler(site, [0.0]).create(Context(log=log), declared(site))
    assert said == ["1 of 2 machines in service. no capacity in this zone"]


def test_without_progress_it_ends_with_what_the_group_says(
    site: Site, lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pool("web", 2)
    lifecycle.says = "no capacity in this zone"
    site.put(names(site)[0], "Pending:Wait")
    clock = [0.0]

    def log(severity: str, text: str) -> None:
        clock[0] += PATIENCE_SECONDS / 2 + 1

    monkeypatch.setattr(in_service, "POLL_SECONDS", 0.0)
    with pytest.raises(ResourceFailed, match=r"1 of 2 machines are in service\. It says: no capacity"):
        handler(site, clock).create(Context(log=log), declared(site))
    assert clock[0] > 2 * 900, "two launch hooks fit in"


def test_other_sizes_are_waited_for_and_another_profile_is_not() -> None:
    olds: Props = {"group": "g", "region": REGION, "access": {}, "sizes": [1, 2]}
    waits = InServiceHandler().diff
    assert waits(NOBODY, "g", olds, {**olds, "sizes": [2, 3]}).update == ("sizes",)
    assert waits(NOBODY, "g", olds, {**olds, "access": {"profile": "other"}}).update == ()


def test_before_a_group_is_deleted_nobody_waits_for_the_dead(site: Site, lifecycle: Lifecycle) -> None:
    site.pool("web", 2)
    stopped, drains = names(site)
    for name in (stopped, drains):
        site.put(name, "Terminating:Wait")
    site.ec2.stop_instances(InstanceIds=[instance_id(stopped)])
    handler(site, [0.0]).delete(NOBODY, "", declared(site))
    assert lifecycle.calls == [
        ("complete", {"id": instance_id(stopped), "hook": "hashistack-terminate", "result": "CONTINUE"})
    ]
