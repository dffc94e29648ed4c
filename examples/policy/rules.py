"""The rules, as pure functions: each gives a sentence for what is against it, with what to do."""

from collections.abc import Collection, Iterator, Mapping
from typing import get_args

from hashistack import ClusterSpec
from hashistack.spec.catalog import Product
from hashistack.spec.versions import parse, vulnerabilities


def spot_share(spec: ClusterSpec, percent: float) -> Iterator[str]:
    """No more than so many percent of the clients' machines, when all pools are at `max`, may vanish at once."""
    everything = sum(pool.max for pool in spec.clients)
    spot = {pool.name: pool.max - min(pool.on_demand_base, pool.max) for pool in spec.clients if pool.spot}
    if 100 * sum(spot.values()) > percent * everything:
        yield (
            f"{sum(spot.values())} of {everything} client machines may be spot ones ({', '.join(spot)}); {percent:g} %"
            " are allowed. Raise `on_demand_base` of a pool, or lower its `max`."
        )


def zones(spec: ClusterSpec, least: float) -> Iterator[str]:
    """A pool that names its zones names enough of them; for one that doesn't, the platform chooses three."""
    pools = {"servers": spec.servers, **{f"clients of pool {pool.name}": pool for pool in spec.clients}}
    for which, pool in pools.items():
        if pool.zones is not None and len(pool.zones) < least:
            yield f"{which}: only in {', '.join(pool.zones)}. Name at least {least:g} `zones`, or none."


def oldest(spec: ClusterSpec, versions: Mapping[str, str]) -> Iterator[str]:
    """No release is older than what is allowed."""
    for product in get_args(Product):
        found, least = spec.versions.of(product), versions.get(product, "0.0.0")
        if parse(found) < parse(least):
            yield f"{product} {found} is older than {least}. Set `versions.{product}`, or run `hashistack upgrade`."


def known_holes(spec: ClusterSpec, accepted: Collection[str]) -> Iterator[str]:
    """No release has a known vulnerability, but for those that somebody has looked at and accepted."""
    for product in get_args(Product):
        found = spec.versions.of(product)
        holes = [one for one in vulnerabilities(product, found) if one.id not in accepted]
        if holes:
            without = max((one.fixed_in for one in holes), key=parse)
            yield (
                f"{product} {found} has {', '.join(one.id for one in holes)}. Set `versions.{product}` to {without} or"
                " later, or run `hashistack upgrade`; what does not concern you goes into `accepted`."
            )


def protected(name: str, protect: bool) -> Iterator[str]:
    """What holds a cluster's data and keys outlives a mistake."""
    if not protect:
        yield f"{name} would not outlive a mistake. Remove `protect=False` from the cluster's arguments."
