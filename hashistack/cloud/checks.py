"""What clouds of virtual machines refuse alike in a specification: pure; each platform's `checks.py` asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hashistack.spec import ClusterSpec
from hashistack.spec.durations import seconds
from hashistack.spec.policy import UpgradePolicy
from hashistack.spec.pool import ClientPool
from hashistack.spec.problems import Problem, show

_DNS_LABEL = 63


def way_out(spec: ClusterSpec, distribution: str) -> Iterator[Problem]:
    """Packages of an official image come from its distribution's mirrors. distribution: "" for one's own image."""
    if spec.network.nat == "none" and distribution:
        yield Problem(
            "network.nat",
            f'machines from the image "{distribution}" install packages at boot, and have no way to them (got "none")',
            'Give "zone" or "single", or an image of your own that has the packages.',
        )


def pool_name(pool: ClientPool, path: str, instance_id: int) -> Iterator[Problem]:
    """Machines are named after their pool. instance_id: how many characters the cloud's id of a machine has."""
    most = _DNS_LABEL - 1 - instance_id
    if len(pool.name) > most:
        yield Problem(
            f"{path}.name",
            f"is {len(pool.name)} characters long; machines are called <pool>-<instance id>, a DNS label of at most"
            f" {_DNS_LABEL} (got {show(pool.name)})",
            f"Shorten it to {most}.",
        )


def drain(policy: UpgradePolicy, path: str, held: float, longest: int, slack: int, holds: str) -> Iterator[Problem]:
    """The drain of a machine that goes has to end while the machine is held.

    held: the seconds of the policy's `hook_timeout`. longest: the most for which the cloud holds one. slack: those that
    it takes beyond drain and stop. holds: what the cloud does in them, as the end of "exceeds the … s for which".
    """
    if held > longest:
        yield Problem(
            f"{path}.hook_timeout",
            f"exceeds the {longest} s for which {holds} (got {show(policy.hook_timeout)})",
            f'Give at most "{longest}s".',
        )
    most = min(round(held), longest) - slack - round(seconds(policy.max_kill_timeout))
    if seconds(policy.drain_deadline) > most:
        yield Problem(
            f"{path}.drain_deadline",
            f"with max_kill_timeout {policy.max_kill_timeout} and the {slack} s that it takes to leave, it exceeds"
            f" what the machine is held for (got {show(policy.drain_deadline)})",
            f'Give at most "{most}s"{"" if round(held) >= longest else ", or raise hook_timeout"}.',
        )


def published(pool: ClientPool, path: str, cloud: str, remedy: str) -> Iterator[Problem]:
    """Ports of the host are for machines that are on it."""
    if pool.publish:
        yield Problem(
            f"{path}.publish",
            f"is for local clusters: nobody reaches machines on {cloud} by a port of the host",
            f"Remove it, and {remedy}",
        )


def strangers(options: Iterable[str], pools: Sequence[str]) -> Iterator[Problem]:
    """Options beside the specification are of a pool that is there."""
    for name in options:
        if name not in pools:
            yield Problem(f"pools[{show(name)}]", "is no pool of clients", f"Known: {', '.join(pools)}.")


def disks(path: str, key: str, pool: ClientPool, given: Sequence[tuple[str, str]]) -> Iterator[Problem]:
    """Disks beside the root disk, each by its name and the host volume that it is ("" for none). key: what the option
    calls the name."""
    for index, (name, volume) in enumerate(given):
        names, volumes = ([each[part] for each in given[:index]] for part in (0, 1))
        if name in names:
            yield Problem(f"{path}[{index}].{key}", f"{show(name)} is there twice", f"Give each {key} once.")
        if not volume:
            continue
        where = f"{path}[{index}].host_volume"
        if volume not in pool.host_volumes:
            yield Problem(
                where,
                f"the pool {pool.name} has no host volume {show(volume)}",
                "Add it to the pool's `host_volumes`, with the path where the disk is to be mounted.",
            )
        elif volume in volumes:
            yield Problem(where, f"{show(volume)} has two disks", "Give each disk a host volume of its own.")
