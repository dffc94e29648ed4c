"""Going from the declared versions to others: what stands against it, and which pools it replaces. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from hashistack.ops.rollout.fleet import Fleet
from hashistack.spec.catalog import Product
from hashistack.spec.versions import SIGNED, known, newest_proven, release, supported_step

_ON_SERVERS_ALONE = frozenset({"vault"})
_ON_CLIENTS_ALONE = frozenset({"cni"})


def steps_to(declared: Mapping[str, str], to: Mapping[str, str]) -> list[str]:
    """Everything that stands against it, a sentence each with what to do; empty: nothing."""
    problems = []
    for product, version in to.items():
        name = cast(Product, product)
        if not re.fullmatch(r"\d+\.\d+\.\d+", version):
            problems.append(f"{product} {version} is no version. Write three numbers: {product}={newest_proven(name)}.")
        elif name not in SIGNED and release(name, version) is None:
            problems.append(f"{product} {version} is not in the catalog. Known: {', '.join(known(name))}.")
        elif product not in declared:
            problems.append(f"{product}: the cluster does not say which version it has. Next: hashistack up")
        elif reason := supported_step(name, declared[product], version):
            problems.append(f"{product} {declared[product]} -> {version}: {reason}")
    return problems


def intended(fleet: Fleet, to: Mapping[str, str]) -> Fleet:
    """The fleet as it would be declared with these versions: the bundles of the pools that they are on are new ones."""
    if not to:
        return fleet
    servers = bool(set(to) - _ON_CLIENTS_ALONE)
    clients = bool(set(to) - _ON_SERVERS_ALONE)
    pools = tuple(
        replace(pool, bundle="new") if (servers if pool.role == "server" else clients) else pool for pool in fleet.pools
    )
    return replace(fleet, pools=pools)
