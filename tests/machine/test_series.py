"""The agents' configuration by series of releases: what each gets otherwise than the default one, and that none gets
what the catalog calls removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hashistack.machine.config.agents import agents
from hashistack.machine.config.fragments import merged
from hashistack.ops.api.connection import Pool
from hashistack.ops.rollout.breaking_changes import Inventory, affected
from hashistack.spec.catalog import BREAKING_CHANGES, RELEASES, Product
from hashistack.spec.versions import Versions, newest_proven, parse, series

from .cases import CASES, POOLS, leaves

PRODUCTS: tuple[Product, ...] = ("nomad", "consul", "vault")
FORTHCOMING: dict[Product, str] = {"nomad": "2.1.0", "vault": "2.1.0"}
"""Not released yet; what they will remove is announced."""
VERSIONS = [
    (product, version)
    for product in PRODUCTS
    for version in (
        *(release.version for release in reversed(RELEASES) if release.product == product),
        *filter(None, [FORTHCOMING.get(product)]),
    )
]


def rendered(case: str, pool: str, product: Product, version: str) -> dict[str, Any]:
    spec = CASES[case].spec.model_copy(update={"versions": Versions(**{product: version})})
    return merged(agents(spec, pool, CASES[case].platform, "/cni").get(product, {}))


def test_what_each_release_gets_otherwise_than_the_default(golden: Callable[[str, str], None]) -> None:
    found: dict[str, dict[str, list[Any]]] = {}
    for product, version in VERSIONS:
        for pool in ("server", "workers"):
            usual, own = (rendered("minimal", pool, product, each) for each in (newest_proven(product), version))
            one, other = dict(leaves(usual)), dict(leaves(own))
            differ = {
                path: [one.get(path), other.get(path)]
                for path in sorted(one.keys() | other.keys())
                if one.get(path) != other.get(path)
            }
            if own:
                found[f"{product} {version}, {pool}"] = differ
    golden("machine-series.json", json.dumps(found, indent=2) + "\n")


@pytest.mark.parametrize(("product", "version"), VERSIONS, ids=[f"{each[0]}-{each[1]}" for each in VERSIONS])
def test_no_release_gets_what_it_has_removed_or_changed(product: Product, version: str) -> None:
    changes = [
        change
        for change in BREAKING_CHANGES
        if change.product == product and change.where == f"{product}_config" and parse(change.since) <= parse(version)
    ]
    for case, name in POOLS:
        settings = {f"{product}_config": rendered(case, name, product, version)}
        assert affected(changes, Inventory(pools=(Pool(name, "server", 1, settings=settings),))) == []


def test_servers_of_a_series_that_has_it_write_their_log_ahead_and_may_be_told_otherwise() -> None:
    stores = {
        version: rendered("minimal", "server", "nomad", version)["server"].get("raft_logstore")
        for product, version in VERSIONS
        if product == "nomad"
    }
    wal = {"backend": "wal"}
    assert stores == {"1.10.5": None, "1.11.3": None, "2.0.4": wal, "2.1.0": wal}
    assert {series(version) for version in stores if stores[version]} == {"2.0", "2.1"}
    spec = CASES["minimal"].spec
    servers = spec.servers.model_copy(update={"nomad_config": {"server": {"raft_logstore": {"backend": "boltdb"}}}})
    own = spec.model_copy(update={"servers": servers, "versions": Versions(nomad="2.0.4")})
    told = merged(agents(own, "server", CASES["minimal"].platform, "/cni")["nomad"])
    assert told["server"]["raft_logstore"] == {"backend": "boltdb"}
