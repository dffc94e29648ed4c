"""The specification's shape: defaults, plain data, freezing, overrides."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from hashistack.spec import ClientPool, ClusterSpec, HostVolume, Pin, ServerPool, UpgradePolicy, catalog, warnings
from hashistack.spec.release_warnings import of_releases
from hashistack.spec.versions import Versions, parse


def test_a_name_is_enough() -> None:
    spec = ClusterSpec(name="x")
    assert spec.servers.count == 3
    assert [(pool.name, pool.min, pool.desired, pool.max) for pool in spec.clients] == [("workers", 2, 2, 2)]
    assert spec.clients[0].drivers == ("exec", "docker")
    assert (spec.clients[0].node_pool, spec.clients[0].node_class) == ("default", None)
    assert (spec.datacenter, spec.region, spec.dns.domain) == ("dc1", "global", "consul")


def test_plain_data_gives_what_python_gives() -> None:
    data = {
        "name": "prod",
        "servers": {"count": 5, "zones": ["a", "b", "c"]},
        "clients": [{"name": "web", "min": 1, "max": 9, "host_volumes": {"data": {"path": "/srv/data"}}}],
        "versions": {"nomad": {"version": "1.11.4", "sha256": {"amd64": "0" * 64}}},
    }
    spec = ClusterSpec.parse(data)
    assert spec.servers == ServerPool(count=5, zones=("a", "b", "c"))
    assert spec.clients == (ClientPool(name="web", min=1, max=9, host_volumes={"data": HostVolume(path="/srv/data")}),)
    assert spec.versions.of("nomad") == "1.11.4"
    assert isinstance(spec.versions.nomad, Pin)
    assert ClusterSpec.parse(spec.model_dump()) == spec
    assert ClusterSpec.parse(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({}, (2, 2, 2)),
        ({"desired": 5}, (5, 5, 5)),
        ({"min": 3, "max": 10}, (3, 3, 10)),
        ({"min": 1}, (1, 2, 2)),
        ({"max": 1}, (1, 1, 1)),
        ({"max": 7}, (2, 2, 7)),
        ({"min": 0, "desired": 0, "max": 4}, (0, 0, 4)),
    ],
)
def test_sizes_that_are_left_out_follow_those_that_are_given(
    given: dict[str, int], sizes: tuple[int, int, int]
) -> None:
    pool = ClientPool(name="web", **given)
    assert (pool.min, pool.desired, pool.max) == sizes


def test_it_is_frozen() -> None:
    spec = ClusterSpec(name="x")
    with pytest.raises(ValidationError):
        spec.name = "y"  # type: ignore[misc]


def test_a_pool_overrides_what_it_gives_of_the_upgrade_policy_and_nothing_else() -> None:
    spec = ClusterSpec(
        upgrade=UpgradePolicy(max_surge=3, drain_deadline="20m", hook_timeout="30m"),
        clients=(
            ClientPool(name="web", upgrade=UpgradePolicy(pace="applications")),
            ClientPool(name="batch"),
        ),
    )
    web, batch = spec.clients
    assert spec.upgrade_of(web) == UpgradePolicy(
        max_surge=3, drain_deadline="20m", hook_timeout="30m", pace="applications"
    )
    assert spec.upgrade_of(batch) == spec.upgrade


def test_an_override_survives_plain_data() -> None:
    """Written out and read again, it must not begin to override what it never gave."""
    spec = ClusterSpec(
        upgrade=UpgradePolicy(max_surge=3),
        clients=(ClientPool(name="web", upgrade=UpgradePolicy(pace="applications")),),
    )
    for again in (ClusterSpec.parse(spec.model_dump()), ClusterSpec.parse(spec.model_dump(mode="json"))):
        assert again.upgrade_of(again.clients[0]) == UpgradePolicy(max_surge=3, pace="applications")


def test_an_override_alone_need_not_make_sense() -> None:
    """A deadline of 3 h is beyond the default hook of 2 h, but not beyond the cluster's own."""
    pool: dict[str, Any] = {"name": "slow", "upgrade": {"drain_deadline": "3h"}}
    spec = ClusterSpec.parse({"upgrade": {"hook_timeout": "4h"}, "clients": [pool]})
    assert spec.upgrade_of(spec.clients[0]).drain_deadline == "3h"


def test_old_pins_and_single_zones_warn() -> None:
    spec = ClusterSpec.parse(
        {"versions": {"nomad": "1.10.5", "consul": "1.21.0"}, "servers": {"zones": ["a"]}, "name": "x"}
    )
    lines = [str(warning) for warning in warnings(spec)]
    assert lines == [
        "spec.versions: nomad 1.10.5 has CVE-2026-6959, CVE-2026-7474, CVE-2026-14891, CVE-2026-14896; "
        "consul 1.21.0 has CVE-2025-11374, CVE-2025-11375; vault 1.21.2 has CVE-2026-5807, CVE-2026-12624. "
        "Next: hashistack upgrade --to nomad=2.0.4 --to consul=2.0.2 --to vault=2.0.3 (not proven by our own tests)",
        "spec.servers.zones: all servers share one zone and its fate. Give three zones.",
    ]


FIXED = {"nomad": "2.0.4", "consul": "2.0.2", "vault": "2.0.3"}


@pytest.mark.parametrize(
    ("versions", "what", "remedy"),
    [
        ({"consul": "1.22.3"}, "consul 1.22.3 gets no more fixes (ended 2026-10-31)", "--to consul=2.0.2 "),
        ({"vault": "1.19.4"}, "vault 1.19.4 has CVE-2026-5807, CVE-2026-12624", "--to vault=2.0.3 "),
        ({"nomad": "2.0.3"}, "nomad 2.0.3 has CVE-2026-14891, CVE-2026-14896", "--to nomad=2.0.4 "),
        ({"nomad": "2.0.5"}, "nomad 2.0.5 is not proven by hashistack's own tests", "Try them on a copy"),
        ({"vault": "1.20.9+ent"}, "vault 1.20.9+ent is not proven by hashistack's own tests", "Try them on a copy"),
        (FIXED, "nomad 2.0.4 is not proven by hashistack's own tests; consul", "Try them on a copy"),
    ],
)
def test_what_is_said_of_releases_names_the_command_that_clears_it(
    versions: dict[str, str], what: str, remedy: str
) -> None:
    told = of_releases(versions)
    assert told is not None
    assert told.what.startswith(what)
    assert remedy in told.remedy


def test_nothing_is_said_of_proven_releases_without_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    proven = tuple(replace(release, proven=True) for release in catalog.RELEASES)
    monkeypatch.setattr("hashistack.spec.versions.RELEASES", proven)
    assert of_releases({**FIXED, "cni": "1.9.0"}) is None
    told = of_releases({"consul": "1.22.3"})
    assert told is not None
    assert told.remedy == "Next: hashistack upgrade --to consul=2.0.2"


def test_the_default_is_the_newest_that_our_tests_have_run() -> None:
    for product, version in Versions():
        mine = [release for release in catalog.RELEASES if release.product == product and release.proven]
        assert version == mine[0].version


def test_the_catalog_is_in_order_and_its_facts_are_whole() -> None:
    for product in ("nomad", "consul", "vault", "pulumi", "cni"):
        mine = [parse(release.version) for release in catalog.RELEASES if release.product == product]
        assert mine == sorted(mine, reverse=True)
    assert date.fromisoformat(catalog.CHECKED)
    for release in catalog.RELEASES:
        assert release.proven or set(release.sha256) == {"amd64", "arm64"}
        assert release.released == "" or date.fromisoformat(release.released)
    for fact in (*catalog.STEPS, *catalog.VULNERABILITIES):
        assert fact.source


def test_a_pin_outside_the_catalog_warns() -> None:
    spec = ClusterSpec.parse({"versions": {"vault": {"version": "1.21.9", "sha256": {"amd64": "0" * 64}}}})
    (warning,) = warnings(spec)
    assert "vault 1.21.9 has CVE-2026-5807, CVE-2026-12624. Next: hashistack upgrade" in str(warning)
