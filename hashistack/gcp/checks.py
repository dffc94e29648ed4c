"""What stands against a specification on Google Cloud, told at plan time: pure, no call is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from hashistack.cloud import checks
from hashistack.gcp import labels
from hashistack.gcp.network.network import problems_of
from hashistack.gcp.pools import machine_types
from hashistack.gcp.pools.launch import SHUTDOWN_SECONDS, of_type
from hashistack.gcp.pools.platform import KEY
from hashistack.spec import ClusterSpec
from hashistack.spec.durations import seconds
from hashistack.spec.names import foreign_zones
from hashistack.spec.policy import UpgradePolicy
from hashistack.spec.pool import ClientPool, ServerPool
from hashistack.spec.problems import Problem, show

if TYPE_CHECKING:
    from hashistack.gcp.pools.client_pool import GcpPoolOptions

SLACK: Final = 120
"""Seconds of a shutdown beyond drain and stop: to notice it, to leave the cluster, to end."""
POOLS: Final = 10
"""Client pools that a cluster may have: a firewall rule names at most as many service accounts.
https://cloud.google.com/firewall/docs/quotas"""
_DNS_LABEL = 63
_DEVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_INSTANCE_ID = 20
_SITE = 5  # "-" and four hex digits


def fitted(spec: ClusterSpec) -> ClusterSpec:
    """The specification with the deadlines that it leaves to the platform: Google lets a machine run for an hour."""
    given, policy = spec.upgrade.model_fields_set, spec.upgrade
    longest = SHUTDOWN_SECONDS - SLACK - round(seconds(policy.max_kill_timeout))
    changes = {
        **({} if "drain_deadline" in given else {"drain_deadline": f"{longest}s"}),
        **({} if "hook_timeout" in given else {"hook_timeout": f"{SHUTDOWN_SECONDS}s"}),
    }
    return spec.model_copy(update={"upgrade": policy.model_copy(update=changes)})


def problems(
    spec: ClusterSpec,
    region: str,
    tags: Mapping[str, str],
    options: Mapping[str, GcpPoolOptions],
    new_network: bool = True,
    distribution: str = "",
) -> tuple[Problem, ...]:
    """Everything that Google Cloud would refuse, or that would not work there.

    tags: those given beside the specification's. options: what client pools have beside it, by name. distribution:
    whose official image the machines start from; "" where they have one of the user's own.
    """
    return (
        *_name(spec),
        *(_network(spec, distribution) if new_network else ()),
        *_pool(spec.servers, region, "servers"),
        *_held(spec.upgrade, "upgrade"),
        *_clients(spec, region),
        *labels.problems({**spec.tags, **tags}),
        *_seal(spec),
        *_options(spec, options),
    )


def _name(spec: ClusterSpec) -> Iterator[Problem]:
    most = _DNS_LABEL - _SITE
    if len(spec.name) > most:
        yield Problem(
            "name",
            f"is {len(spec.name)} characters long; with five of ours it is a label's value, which has at most"
            f" {_DNS_LABEL} (got {show(spec.name)})",
            f"Shorten it to {most}.",
        )


def _network(spec: ClusterSpec, distribution: str) -> Iterator[Problem]:
    yield from checks.way_out(spec, distribution)
    if found := problems_of(spec.network):
        yield Problem(
            "network.subnets", f"{found}; on Google Cloud one is in all zones of the region", "Give one, or none."
        )


def _pool(pool: ServerPool | ClientPool, region: str, path: str) -> Iterator[Problem]:
    yield from foreign_zones(pool.zones or (), region, f"{path}.zones")
    if pool.machine_type:
        yield from machine_types.problems(f"{path}.machine_type", [pool.machine_type], pool.arch)


def _clients(spec: ClusterSpec, region: str) -> Iterator[Problem]:
    if len(spec.clients) > POOLS:
        yield Problem(
            "clients",
            f"{len(spec.clients)} pools; a firewall rule of Google Cloud names at most {POOLS} service accounts",
            f"Give at most {POOLS}.",
        )
    for index, pool in enumerate(spec.clients):
        path = f"clients[{index}]"
        yield from _pool(pool, region, path)
        strange = tuple(machine_types.problems(f"{path}.machine_types", pool.machine_types, pool.arch))
        yield from strange
        kinds = {machine_types.disk_type(each) for each in (of_type(pool), *pool.machine_types)}
        if not strange and len(kinds) > 1:
            yield Problem(
                f"{path}.machine_types",
                f"some take only hyperdisks and some only persistent disks, and a pool has one kind"
                f" (got {show((of_type(pool), *pool.machine_types))})",
                "Name types of one kind.",
            )
        yield from checks.pool_name(pool, path, _INSTANCE_ID)
        remedy = "put a load balancer before the pool's group."
        yield from checks.published(pool, path, "Google Cloud", remedy)
        if pool.spot and not pool.all_spot:
            yield Problem(
                f"{path}.on_demand_base",
                f"a group's machines are all spot or all on-demand on Google Cloud (got {pool.on_demand_base})",
                "Set `all_spot: true`, and make a second pool for the on-demand machines.",
            )
        if pool.upgrade is not None:
            yield from _held(spec.upgrade_of(pool), f"{path}.upgrade")


def _options(spec: ClusterSpec, options: Mapping[str, GcpPoolOptions]) -> Iterator[Problem]:
    yield from checks.strangers(options, sorted(pool.name for pool in spec.clients))
    for pool in spec.clients:
        given = options[pool.name].disks if pool.name in options else ()
        path = f"pools[{show(pool.name)}].disks"
        for index, disk in enumerate(given):
            if not _DEVICE_NAME.fullmatch(disk.name):
                yield Problem(
                    f"{path}[{index}].name",
                    f"is no device name on Google Cloud (got {show(disk.name)})",
                    "Give 1 to 63 of a-z, 0-9 and -, a letter first.",
                )
        yield from checks.disks(path, "name", pool, [(disk.name, disk.host_volume) for disk in given])


def _held(policy: UpgradePolicy, path: str) -> Iterator[Problem]:
    holds = "Google lets a machine run that is to stop"
    return checks.drain(policy, path, seconds(policy.hook_timeout), SHUTDOWN_SECONDS, SLACK, holds)


def _seal(spec: ClusterSpec) -> Iterator[Problem]:
    if spec.seal.type == "awskms":
        yield Problem(
            "seal.type",
            'machines on Google Cloud have no identity of their own at AWS (got "awskms")',
            'Give "platform", or "gcpckms" with a key.',
        )
    elif spec.seal.type == "gcpckms" and not KEY.fullmatch(spec.seal.key or ""):
        yield Problem(
            "seal.key",
            f"is not the id of a key of Cloud KMS (got {show(spec.seal.key)})",
            "Give projects/<project>/locations/<region>/keyRings/<ring>/cryptoKeys/<key>.",
        )
