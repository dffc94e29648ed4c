"""What stands against a specification on AWS, told at plan time: pure, no call is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from hashistack.aws.pools import machine_types
from hashistack.aws.tags import problems as tag_problems
from hashistack.cloud import checks
from hashistack.spec import ClusterSpec
from hashistack.spec.durations import seconds
from hashistack.spec.names import foreign_zones
from hashistack.spec.policy import UpgradePolicy
from hashistack.spec.problems import Problem, show

if TYPE_CHECKING:
    from hashistack.aws.pools.client_pool import AwsPoolOptions

HEARTBEAT_SECONDS = 300
"""How long a group waits for a machine that leaves and says nothing: five of its heartbeats, or a reboot."""
HOOK_LONGEST = 100 * HEARTBEAT_SECONDS
"""Seconds that Auto Scaling holds a machine however often it says that it still leaves.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html#lifecycle-hook-considerations"""
HOOK_SLACK = 180
"""Seconds of a terminate hook beyond drain and stop: to notice it, to leave the cluster, to say so."""

_INSTANCE_ID = 17
_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")


def hook_seconds(policy: UpgradePolicy) -> int:
    """How long a machine that is taken away asks its group for more time: the policy's `hook_timeout`.

    It is told so at birth, with the deadlines of its drain: a change holds for the machines that come after it.
    """
    return round(seconds(policy.hook_timeout))


def problems(
    spec: ClusterSpec,
    region: str,
    tags: Mapping[str, str],
    options: Mapping[str, AwsPoolOptions],
    new_vpc: bool = True,
    distribution: str = "",
) -> tuple[Problem, ...]:
    """Everything that AWS would refuse, or that would not work there.

    tags: those given beside the specification's. options: what client pools have beside it, by name. new_vpc: subnets
    are made in the zones that the servers name. distribution: whose official image the machines start from; "" where
    they have one of the user's own.
    """
    return (
        *_servers(spec, region),
        *(checks.way_out(spec, distribution) if new_vpc else ()),
        *_clients(spec, region, new_vpc),
        *tag_problems({**spec.tags, **tags}),
        *_seal(spec),
        *_tls(spec),
        *_options(spec, options),
    )


def _servers(spec: ClusterSpec, region: str) -> Iterator[Problem]:
    pool = spec.servers
    yield from foreign_zones(pool.zones or (), region, "servers.zones")
    if pool.machine_type:
        yield from machine_types.problems("servers.machine_type", [pool.machine_type], pool.arch)
    yield from _held(spec.upgrade, "upgrade")


def _clients(spec: ClusterSpec, region: str, new_vpc: bool) -> Iterator[Problem]:
    for index, pool in enumerate(spec.clients):
        path = f"clients[{index}]"
        foreign = tuple(foreign_zones(pool.zones or (), region, f"{path}.zones"))
        yield from foreign
        missing = [zone for zone in pool.zones or () if zone not in (spec.servers.zones or ())]
        if new_vpc and missing and not foreign:
            yield Problem(
                f"{path}.zones",
                f"the network is made in the zones of the servers, and {missing[0]} is none of them",
                "Name the zones in `servers.zones`, these among them.",
            )
        if pool.machine_type:
            yield from machine_types.problems(f"{path}.machine_type", [pool.machine_type], pool.arch)
        yield from machine_types.problems(f"{path}.machine_types", pool.machine_types, pool.arch)
        yield from checks.pool_name(pool, path, _INSTANCE_ID)
        if pool.upgrade is not None:
            yield from _held(spec.upgrade_of(pool), f"{path}.upgrade")
        remedy = "give the pool a load balancer (`AwsPoolOptions.target_group_arns`)."
        yield from checks.published(pool, path, "AWS", remedy)


def _held(policy: UpgradePolicy, path: str) -> Iterator[Problem]:
    return checks.drain(policy, path, hook_seconds(policy), HOOK_LONGEST, HOOK_SLACK, "AWS holds a machine")


def _options(spec: ClusterSpec, options: Mapping[str, AwsPoolOptions]) -> Iterator[Problem]:
    pools = {pool.name: pool for pool in spec.clients}
    yield from checks.strangers(options, [*pools])
    for name, option in options.items():
        path = f"pools[{show(name)}]"
        if name not in pools:
            continue
        disks = [(each.device, each.host_volume) for each in option.volumes]
        yield from checks.disks(f"{path}.volumes", "device", pools[name], disks)
        if option.warm_pool and (pools[name].spot or pools[name].machine_types):
            mixed = "spot machines" if pools[name].spot else "several machine types"
            yield Problem(
                f"{path}.warm_pool",
                f"the pool has {mixed}, of which AWS keeps none warm",
                "Leave it out, or give the pool one machine type and no spot.",
            )


def _tls(spec: ClusterSpec) -> Iterator[Problem]:
    if spec.tls.min_version == "tls13":
        yield Problem(
            "tls.min_version",
            'the load balancer of the APIs checks servers by TLS 1.2, and would find none healthy (got "tls13")',
            'Give "tls12": who speaks 1.3 gets it all the same.',
        )


def _seal(spec: ClusterSpec) -> Iterator[Problem]:
    if spec.seal.type == "gcpckms":
        yield Problem(
            "seal.type",
            'machines on AWS have no identity of their own at Google (got "gcpckms")',
            'Give "platform", or "awskms" with a key.',
        )
    elif spec.seal.type == "awskms" and not _KEY_ARN.fullmatch(spec.seal.key or ""):
        # An alias can be pointed at another key, and then Vault stays sealed.
        yield Problem(
            "seal.key",
            f"is not the ARN of a KMS key (got {show(spec.seal.key)})",
            "Give arn:aws:kms:<region>:<account>:key/<id>, as `aws kms describe-key` prints it.",
        )
