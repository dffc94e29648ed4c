"""Going from the declared versions to others: what stands against it, and which pools it replaces. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from hashistack.ops.rollout.fleet import Fleet
from hashistack.spec.catalog import Product
from hashistack.spec.versions import SIGNED, known, newest_proven, path, release, series, supported_step

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
        elif not path(name, declared[product], version) and (
            reason := supported_step(name, declared[product], version)
        ):
            problems.append(f"{product} {declared[product]} -> {version}: {reason}")
    return problems


def hops(declared: Mapping[str, str], to: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
    """The versions to declare one after the other, a roll each: what changes in each, the last of them as `to`.

    Each product goes as far in a hop as one step allows; () where nothing changes. `steps_to` said that there is a way.
    """
    ways = {name: path(cast(Product, name), declared[name], new) for name, new in to.items() if declared[name] != new}
    ways = {name: way or (to[name],) for name, way in ways.items()}  # what is no step has no way: any CNI plugins
    most = max(map(len, ways.values()), default=0)
    return tuple({name: way[at] for name, way in ways.items() if at < len(way)} for at in range(most))


def climb(
    declared: Mapping[str, str],
    to: Mapping[str, str],
    declare: Callable[[int, Mapping[str, str]], None],
    behind: Callable[[], bool],
    finish: Callable[[], bool],
    converge: Callable[[], bool],
) -> bool:
    """Go hop by hop; answers whether all machines are at `to`, and not still waiting for somebody.

    A hop to another series begins when no machine is behind what is declared: a run that was killed in a hop leaves
    some, and they must not skip a series.

    declare: makes a hop's versions (with its number, from 1) what is declared. behind: whether machines are not as
    declared. finish: completes what an earlier run or hop has begun; converge: rolls the machines until they are as
    declared. Both answer False where they have to wait.
    """
    now = dict(declared)
    for number, hop in enumerate(hops(declared, to), 1):
        leaves = any(series(now[name]) != series(version) for name, version in hop.items())
        if leaves and behind() and not finish():
            return False
        declare(number, hop)
        now.update(hop)
    return converge()


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
