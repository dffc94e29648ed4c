"""What is allowed but worth a warning: old releases, and choices that give up some safety."""

from __future__ import annotations

from collections.abc import Iterator

from hashistack.spec.cluster import ClusterSpec
from hashistack.spec.problems import Problem
from hashistack.spec.versions import PRODUCTS, newest, parse, release


def warnings(spec: ClusterSpec) -> tuple[Problem, ...]:
    """What an operator should know about a valid specification; nothing here stops a deployment."""
    return (*_versions(spec), *_zones(spec))


def _versions(spec: ClusterSpec) -> Iterator[Problem]:
    for product in PRODUCTS:
        version, path = spec.versions.of(product), f"versions.{product}"
        facts = release(product, version)
        if facts is None:
            yield Problem(path, f"{version} is not in the catalog: it is not tested", "Prefer one that is.")
            continue
        if facts.ended:
            yield Problem(path, f"{facts.ended}: no more fixes", "Plan the move to a later series.")
        if facts.vulnerabilities:
            flaws = ", ".join(f"{flaw.id} (fixed in {flaw.fixed_in})" for flaw in facts.vulnerabilities)
            yield Problem(path, f'is vulnerable to {flaws} (got "{version}")', "Read them, and plan the move.")
        latest = newest(product)
        if parse(version) < parse(latest):
            yield Problem(path, f'is not the newest in the catalog (got "{version}")', f'Go to "{latest}".')


def _zones(spec: ClusterSpec) -> Iterator[Problem]:
    if spec.servers.zones is not None and len(spec.servers.zones) == 1:
        yield Problem("servers.zones", "all servers share one zone and its fate", "Give three zones.")
