"""What of a cluster is in its project after its stack was destroyed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hashistack import platforms
from hashistack.gcp.ops import session
from hashistack.gcp.ops.leftovers import left
from hashistack.ops.rollout.driver import DriverFailed

from ...project.compute import ZONES
from .conftest import SITE, Site


def test_machines_that_nobody_ends_and_disks_that_nobody_has(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pool("web", 2)
    going, stays = site.project.vms
    going.status = "PENDING_STOP"
    own = {"labels": {"hashistack-cluster": SITE}}
    site.project.disks = [{"name": "lost", **own}, {"name": "used", "users": ["x"], **own}, {"name": "another's"}]
    assert left(site.connection(), site.google) == [
        f"instance {stays.name} in {stays.zone}",
        f"disk lost in {ZONES[0]}",
    ]
    monkeypatch.setattr(session, "_authorized", lambda: site.apis.http)
    found = platforms.operations("gcp")
    stack = platforms.Stack(Path("/x"), "x/dev", (site.connection(),))
    assert len(found.left(stack)) == 2
    assert found.proof(stack) == "no instance or disk of it is left"


def test_where_google_cannot_be_asked_nothing_is_said_to_be_gone(site: Site) -> None:
    site.pool("web", 2)
    site.apis.away = True
    with pytest.raises(DriverFailed, match=rf"^whether something of {SITE} is left can't be seen: Google does not"):
        left(site.connection(), site.google)
