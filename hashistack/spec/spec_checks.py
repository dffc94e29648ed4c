"""Rules that join several parts of a specification. Each yields what it finds, with paths from the top."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address
from typing import TYPE_CHECKING

from hashistack.spec.durations import seconds
from hashistack.spec.network import hosts
from hashistack.spec.policy import UpgradePolicy
from hashistack.spec.problems import Problem
from hashistack.spec.versions import PRODUCTS

if TYPE_CHECKING:
    from hashistack.spec.cluster import ClusterSpec


def pool_names(spec: ClusterSpec) -> Iterator[Problem]:
    """Two pools of one name; case does not tell them apart, because not every platform keeps it."""
    seen: dict[str, str] = {}
    for index, pool in enumerate(spec.clients):
        if pool.name.lower() in seen:
            yield Problem(
                f"clients[{index}].name",
                f'pool "{pool.name}" is defined twice, first as {seen[pool.name.lower()]}',
                "Give each pool a name of its own.",
            )
        seen.setdefault(pool.name.lower(), f"clients[{index}]")


def published(spec: ClusterSpec) -> Iterator[Problem]:
    """A port of the host that is published twice."""
    seen: dict[int, str] = {}
    for index, pool in enumerate(spec.clients):
        for number, one in enumerate(pool.publish):
            path = f"clients[{index}].publish[{number}]"
            if one.host in seen:
                yield Problem(
                    f"{path}.host",
                    f"port {one.host} of the host leads to {seen[one.host]} already",
                    "Give another `host`.",
                )
            seen.setdefault(one.host, path)


def exec_driver(spec: ClusterSpec) -> Iterator[Problem]:
    """No pool with the exec driver: the cluster's own jobs have nowhere to run."""
    if not any("exec" in pool.drivers for pool in spec.clients):
        yield Problem(
            "clients",
            'no pool has the driver "exec", by which a new cluster proves itself and scheduled snapshots run',
            'Add "exec" to the `drivers` of a pool.',
        )


def capacity(spec: ClusterSpec) -> Iterator[Problem]:
    """More machines, with those of an upgrade, than the network has addresses."""
    network = spec.network
    needed = spec.servers.count + spec.upgrade.max_surge
    needed += sum(pool.max + spec.upgrade_of(pool).max_surge for pool in spec.clients)
    private = [subnet.cidr for subnet in network.subnets if not subnet.public]
    if network.subnets and not private:
        yield Problem("network.subnets", "all subnets are public: machines have no place", "Add one that is not.")
        return
    room = private or ([network.cidr] if network.cidr else [])
    held = sum(hosts(cidr) for cidr in room)
    if room and held < needed:
        path = "network.subnets" if private else "network.cidr"
        size = f"/{room[0].partition('/')[2]} holds" if len(room) == 1 else f"{len(room)} subnets hold"
        yield Problem(path, f"{size} {held} machines, the pools need {needed}", "Give a larger network.")


def upgrades(spec: ClusterSpec) -> Iterator[Problem]:
    """Upgrade policies that could not work on the pools that they hold for."""
    yield from _budget("upgrade", spec.upgrade)
    for index, pool in enumerate(spec.clients):
        policy, given = (
            spec.upgrade_of(pool),
            pool.upgrade.model_fields_set if pool.upgrade else frozenset[str](),
        )
        own = f"clients[{index}].upgrade"
        if given:
            yield from _budget(own, policy)
        if 0 < pool.desired <= policy.max_unavailable:
            yield Problem(
                f"{own}.max_unavailable" if "max_unavailable" in given else "upgrade.max_unavailable",
                f'would drain all {pool.desired} of "{pool.name}" at once (got {policy.max_unavailable})',
                f"Give at most {pool.desired - 1}.",
            )
        if 0 < pool.desired < policy.canary:
            yield Problem(
                f"{own}.canary" if "canary" in given else "upgrade.canary",
                f'pool "{pool.name}" has only {pool.desired} machines (got {policy.canary})',
                f"Give at most {pool.desired}.",
            )


def _budget(path: str, policy: UpgradePolicy) -> Iterator[Problem]:
    if policy.max_surge == 0 and policy.max_unavailable == 0:
        yield Problem(
            f"{path}.max_surge",
            "with max_unavailable 0 too, no machine could ever be replaced (got 0)",
            "Give at least 1.",
        )
    if policy.max_surge == 0 and policy.pace == "applications":
        yield Problem(
            f"{path}.max_surge",
            'with pace "applications" new machines must come first (got 0)',
            "Give at least 1.",
        )
    if policy.max_surge < policy.canary:
        yield Problem(
            f"{path}.canary",
            f"is more than max_surge {policy.max_surge} (got {policy.canary})",
            "Raise max_surge.",
        )
    needed = seconds(policy.drain_deadline) + seconds(policy.max_kill_timeout)
    if needed > seconds(policy.hook_timeout):
        yield Problem(
            f"{path}.hook_timeout",
            f"drain_deadline {policy.drain_deadline} and max_kill_timeout {policy.max_kill_timeout} exceed"
            f' it: a machine would be cut off while it drains (got "{policy.hook_timeout}")',
            f'Raise it to at least "{needed:.0f}s", or shorten the drain.',
        )


def architectures(spec: ClusterSpec) -> Iterator[Problem]:
    """Pools whose architecture has no digest for a pinned tool."""
    pools = [("servers", spec.servers.arch, ("nomad", "consul", "vault"))]
    pools += [(f'pool "{pool.name}"', pool.arch, ("nomad", "consul", "cni")) for pool in spec.clients]
    for product in PRODUCTS:
        digests = spec.versions.digests(product)
        for pool, arch, runs in pools:
            if digests and product in runs and arch not in digests:
                yield Problem(
                    f"versions.{product}.sha256",
                    f"{pool} is {arch}, but {product} is pinned for {', '.join(sorted(digests))} only",
                    f"Add the digest for {arch}.",
                )


def resolvers(spec: ClusterSpec) -> Iterator[Problem]:
    """Upstream resolvers inside a bridge of each machine, where no other machine can be."""
    bridges = (("Nomad's bridge", spec.network.bridge), ("Docker's bridge", spec.network.docker_bridge))
    for index, upstream in enumerate(spec.dns.upstreams):
        address = ip_address(upstream)
        for name, cidr in bridges:
            if address.version == 4 and address in IPv4Network(cidr):
                yield Problem(
                    f"dns.upstreams[{index}]",
                    f"{upstream} is inside {name} {cidr}, which is the machine's own",
                    "Give the address of another resolver.",
                )
