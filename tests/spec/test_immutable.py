"""What one `up` may not change: rows 12, 37 to 41, 43 to 45 of the table of faults, with the exact texts."""

from __future__ import annotations

from typing import Any

import pytest

from hashistack.spec import ClusterSpec
from hashistack.spec.catalog import RELEASES, Product
from hashistack.spec.immutable import problems
from hashistack.spec.versions import path, series, supported_pair, supported_step

KEY = {"type": "awskms", "key": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}
OTHER = {"type": "awskms", "key": "alias/other"}


def pinned(version: str) -> dict[str, Any]:
    return {"version": version, "sha256": {"amd64": "0" * 64}}


CHANGES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "12",
        {"region": "global"},
        {"region": "eu"},
        'spec.region: cannot change: Nomad\'s data and every certificate belong to it (was "global", got "eu").'
        " Keep it, or make a new cluster and move the work there.",
    ),
    (
        "12",
        {"datacenter": "dc1"},
        {"datacenter": "dc2"},
        'spec.datacenter: cannot change: Consul\'s and Nomad\'s data belong to it (was "dc1", got "dc2").'
        " Keep it, or make a new cluster and move the work there.",
    ),
    (
        "12",
        {"network": {"cidr": "10.0.0.0/16"}},
        {"network": {"cidr": "10.1.0.0/16"}},
        "spec.network.cidr: cannot change: the network would be replaced with all machines in it"
        ' (was "10.0.0.0/16", got "10.1.0.0/16"). Keep it, or make a new cluster and move the work there.',
    ),
    (
        "38",
        {"versions": {"nomad": pinned("1.8.4")}},
        {"versions": {"nomad": "1.11.3"}},
        "spec.versions.nomad: Nomad would skip too many minor releases, 2 at most are supported"
        ' (was "1.8.4", got "1.11.3"). Go by way of 1.10.5.',
    ),
    (
        "39",
        {"versions": {"nomad": "1.11.3"}},
        {"versions": {"nomad": "1.10.5"}},
        'spec.versions.nomad: Nomad cannot be downgraded (was "1.11.3", got "1.10.5"). Keep the version; going back'
        " means new servers, and clients drained and wiped.",
    ),
    (
        "40",
        {"versions": {"vault": "1.21.2"}},
        {"versions": {"vault": "1.21.0"}},
        'spec.versions.vault: Vault cannot be downgraded (was "1.21.2", got "1.21.0"). Keep the version; going back'
        " means restoring the snapshot from before, with the old version.",
    ),
    (
        "41",
        {"versions": {"consul": pinned("1.20.2")}},
        {"versions": {"consul": "1.22.3"}},
        "spec.versions.consul: Consul would skip too many minor releases, 1 at most are supported"
        ' (was "1.20.2", got "1.22.3"). Go by way of 1.21.0.',
    ),
    (
        "43",
        {},
        {"seal": KEY},
        'spec.seal.type: cannot change: a migration takes all of Vault down (was "platform", got "awskms").'
        " Keep it; migrate by hand in a maintenance window, or make a new cluster.",
    ),
    (
        "44",
        {"seal": OTHER},
        {"seal": {**OTHER, "key": "alias/new"}},
        "spec.seal.key: cannot change: Vault cannot migrate from one awskms key to another of the same service, and"
        ' without the old key every secret is lost (was "alias/other", got "alias/new").'
        " Keep the key; rotate it inside its service.",
    ),
    (
        "45",
        {"seal": KEY},
        {},
        'spec.seal.type: cannot change: a migration takes all of Vault down (was "awskms", got "platform").'
        " Keep it; migrate by hand in a maintenance window, or make a new cluster.",
    ),
]


@pytest.mark.parametrize(("row", "old", "new", "text"), CHANGES, ids=[case[0] + case[3][4:30] for case in CHANGES])
def test_is_refused(row: str, old: dict[str, Any], new: dict[str, Any], text: str) -> None:
    found = problems(ClusterSpec.parse(old), ClusterSpec.parse(new))
    assert [str(problem) for problem in found] == [text]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {}),
        ({"servers": {"count": 3}}, {"servers": {"count": 5}}),
        ({"servers": {"count": 5}}, {"servers": {"count": 3}}),
        ({"versions": {"nomad": "1.10.5"}}, {"versions": {"nomad": "1.11.3"}}),
        # A machine is replaced as a whole: one roll for three products, not three.
        ({"versions": {"nomad": "1.10.5", "consul": "1.21.0", "vault": "1.21.0"}}, {}),
        ({"versions": {"consul": "1.21.0"}}, {"versions": {"consul": "1.22.3"}}),
        ({"versions": {"vault": "1.21.0"}}, {"versions": {"vault": "1.21.2"}}),
        (
            {},
            {
                "clients": [{"name": "web", "arch": "arm64"}],
                "tags": {"team": "x"},
                "dns": {"cache_max_ttl": "1m"},
            },
        ),
    ],
)
def test_ordinary_changes_are_not(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert problems(ClusterSpec.parse(old), ClusterSpec.parse(new)) == ()


def test_all_are_told_at_once() -> None:
    old = ClusterSpec.parse({"name": "a", "servers": {"count": 5}, "seal": KEY})
    new = ClusterSpec.parse({"name": "b", "versions": {"nomad": "1.10.5"}})
    assert {problem.path for problem in problems(old, new)} == {
        "name",
        "versions.nomad",
        "seal.type",
    }


STEPS: dict[Product, dict[tuple[str, str], tuple[str, ...]]] = {
    "nomad": {
        ("1.8.4", "1.9.7"): ("1.9.7",),
        ("1.8.4", "1.10.5"): ("1.10.5",),
        ("1.8.4", "1.11.3"): ("1.10.5", "1.11.3"),
        ("1.8.4", "2.0.4"): ("1.10.5", "1.11.3", "2.0.4"),
        ("1.9.7", "1.10.5"): ("1.10.5",),
        ("1.9.7", "1.11.3"): ("1.11.3",),
        ("1.9.7", "2.0.4"): ("1.11.3", "2.0.4"),
        ("1.10.5", "1.11.3"): ("1.11.3",),
        ("1.10.5", "2.0.4"): ("1.11.3", "2.0.4"),
        ("1.11.3", "2.0.4"): ("2.0.4",),
        ("2.0.4", "2.0.5"): ("2.0.5",),
        ("2.0.4", "2.1.0"): ("2.1.0",),
        ("1.11.3", "3.0.0"): (),
    },
    "consul": {
        ("1.20.6", "1.21.0"): ("1.21.0",),
        ("1.20.6", "1.22.3"): ("1.21.0", "1.22.3"),
        ("1.20.6", "2.0.2"): ("1.21.0", "1.22.3", "2.0.2"),
        ("1.21.0", "1.22.3"): ("1.22.3",),
        ("1.21.0", "2.0.2"): ("1.22.3", "2.0.2"),
        ("1.22.3", "2.0.2"): ("2.0.2",),
        ("1.18.0", "2.0.2"): (),
    },
    "vault": {
        ("1.19.5", "1.21.2"): ("1.21.2",),
        ("1.19.5", "2.0.3"): ("1.21.2", "2.0.3"),
        ("1.21.0", "1.21.2"): ("1.21.2",),
        ("1.21.0", "2.0.3"): ("2.0.3",),
        ("1.21.2", "2.0.3"): ("2.0.3",),
    },
}
"""Pairs of versions to the versions that lead from one to the other; () where none do."""


@pytest.mark.parametrize(
    ("product", "old", "new", "way"),
    [(product, *pair, way) for product, pairs in STEPS.items() for pair, way in pairs.items()],
)
def test_a_step_is_allowed_or_refused_with_the_way_round(
    product: Product, old: str, new: str, way: tuple[str, ...]
) -> None:
    assert path(product, old, new) == way
    reason = supported_step(product, old, new)
    assert (reason is None) == (way == (new,))
    if reason and way:
        assert reason.remedy == f"Go by way of {', then '.join(way[:-1])}."
    back = supported_step(product, new, old)
    assert back is not None
    assert back.what == f"{product.capitalize()} cannot be downgraded"
    assert path(product, new, old) == ()


def test_every_pair_of_series_of_the_catalog_is_in_the_table() -> None:
    for product, pairs in STEPS.items():
        known = [series(release.version) for release in RELEASES if release.product == product]
        told = {(series(old), series(new)) for old, new in pairs}
        wanted = {(old, new) for i, new in enumerate(known) for old in known[i + 1 :]}
        assert wanted <= told


def test_tools_of_ours_go_anywhere() -> None:
    assert supported_step("pulumi", "3.259.0", "3.200.0") is None


def test_a_step_that_no_release_of_the_catalog_leads_to_is_refused() -> None:
    assert str(supported_step("nomad", "1.11.3", "3.0.0")) == (
        "Nomad 1.11 to 3.0 is not a step that is known here. Keep the major release."
    )
    assert str(supported_step("consul", "1.18.0", "1.20.0")) == (
        "Consul would skip too many minor releases, 1 at most are supported. Go by way of 1.19."
    )


def test_row_37_clients_are_not_newer_than_servers() -> None:
    assert supported_pair(servers="1.11.3", clients="1.10.5") is None
    assert str(supported_pair(servers="1.10.5", clients="1.11.3")) == (
        "Nomad clients (1.11.3) are newer than the servers (1.10.5). Upgrade the servers first."
    )
