"""What is allowed but worth a warning: releases with known vulnerabilities, and choices that give up some safety."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from hashistack.spec.catalog import Product
from hashistack.spec.cluster import ClusterSpec
from hashistack.spec.problems import Problem
from hashistack.spec.versions import known, parse, path, release, vulnerabilities

_UPGRADED: tuple[Product, ...] = ("nomad", "consul", "vault")


def warnings(spec: ClusterSpec) -> tuple[Problem, ...]:
    """What an operator should know about a valid specification; nothing here stops a deployment."""
    versions = {product: spec.versions.of(product) for product in get_args(Product)}
    return (*filter(None, [of_releases(versions)]), *_zones(spec))


def of_releases(versions: Mapping[str, str]) -> Problem | None:
    """All that is to be said of a cluster's releases, with the one command that clears it; None: nothing.

    versions: product to version; what is no product of ours is passed over.
    """
    told, to, proven = [], [], True
    for product in _UPGRADED:
        if (version := versions.get(product)) is None:
            continue
        fact, newest = release(product, version), known(product)[0]
        if flaws := vulnerabilities(product, version):
            told.append(f"{product} {version} has {', '.join(flaw.id for flaw in flaws)}")
        elif fact and fact.ended:
            told.append(f"{product} {version} gets no more fixes (ended {fact.ended})")
        else:
            if not (fact and fact.proven):
                told.append(f"{product} {version} is not proven by hashistack's own tests")
            continue
        if parse(version) < parse(newest) and path(product, version, newest):
            to.append(f"--to {product}={newest}")
            facts = release(product, newest)
            proven = proven and facts is not None and facts.proven
    if not told:
        return None
    command = f"hashistack upgrade {' '.join(to)}{'' if proven else ' (not proven by our own tests)'}"
    return Problem("versions", "; ".join(told), f"Next: {command}" if to else "Try them on a copy of the cluster first")


def _zones(spec: ClusterSpec) -> Iterator[Problem]:
    if spec.servers.zones is not None and len(spec.servers.zones) == 1:
        yield Problem("servers.zones", "all servers share one zone and its fate", "Give three zones.")
