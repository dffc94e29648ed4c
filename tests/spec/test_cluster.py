"""The specification's shape: defaults, plain data, freezing, overrides."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hashistack.spec import ClientPool, ClusterSpec, HostVolume, Pin, ServerPool, UpgradePolicy, warnings


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
    assert 'spec.versions.nomad: is not the newest in the catalog (got "1.10.5"). Go to "1.11.3".' in lines
    assert (
        "spec.versions.nomad: 1.10.5 (2025-09-09) is the last of the community edition's 1.10: no more fixes."
        " Plan the move to a later series."
    ) in lines
    assert (
        "spec.versions.consul: is vulnerable to CVE-2025-11374 (fixed in 1.22.0), CVE-2025-11375"
        ' (fixed in 1.22.0) (got "1.21.0"). Read them, and plan the move.'
    ) in lines
    assert "spec.servers.zones: all servers share one zone and its fate. Give three zones." in lines


def test_a_pin_outside_the_catalog_warns() -> None:
    spec = ClusterSpec.parse({"versions": {"vault": {"version": "1.21.9", "sha256": {"amd64": "0" * 64}}}})
    assert "spec.versions.vault: 1.21.9 is not in the catalog: it is not tested. Prefer one that is." in [
        str(warning) for warning in warnings(spec)
    ]
