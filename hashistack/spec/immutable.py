"""What cannot be changed in a running cluster by one `pulumi up`, and the way to do it instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Final

from hashistack.spec.cluster import ClusterSpec
from hashistack.spec.problems import Problem, show
from hashistack.spec.versions import PRODUCTS, SIGNED, supported_step

FIXED: Final[Mapping[str, str]] = {
    "name": "every machine and resource is named after it",
    "datacenter": "Consul's and Nomad's data belong to it",
    "region": "Nomad's data and every certificate belong to it",
    "dns.domain": "every certificate has it",
    "network.cidr": "the network would be replaced with all machines in it",
}
"""Path of each setting that a cluster keeps for its life, to the reason."""
BY_RULE: Final[Mapping[str, str]] = {
    **{f"versions.{product}": "only by a step that is supported, with `hashistack upgrade`" for product in SIGNED},
    "seal.type": "never: a migration takes all of Vault down",
    "seal.key": "never of one service: Vault cannot migrate, and without the old key every secret is lost",
}
"""Path of each other setting that a rule of this module guards, to that rule."""


def problems(old: ClusterSpec, new: ClusterSpec) -> tuple[Problem, ...]:
    """What stands against going from one specification to another in one step; empty: nothing."""
    return (*_fixed(old, new), *_versions(old, new), *_seal(old, new))


def _fixed(old: ClusterSpec, new: ClusterSpec) -> Iterator[Problem]:
    for path, reason in FIXED.items():
        before, after = (attrgetter(path)(spec) for spec in (old, new))
        if before != after:
            yield Problem(
                path,
                f"cannot change: {reason} (was {show(before)}, got {show(after)})",
                "Keep it, or make a new cluster and move the work there.",
            )


def _versions(old: ClusterSpec, new: ClusterSpec) -> Iterator[Problem]:
    for product in PRODUCTS:
        before, after = old.versions.of(product), new.versions.of(product)
        reason = supported_step(product, before, after)
        if reason:
            yield Problem(f"versions.{product}", f'{reason.what} (was "{before}", got "{after}")', reason.remedy)


def _seal(old: ClusterSpec, new: ClusterSpec) -> Iterator[Problem]:
    before, after = old.seal, new.seal
    if before.type != after.type:
        yield Problem(
            "seal.type",
            f'cannot change: a migration takes all of Vault down (was "{before.type}", got "{after.type}")',
            "Keep it; migrate by hand in a maintenance window, or make a new cluster.",
        )
    elif before.key != after.key:
        service = f"Vault cannot migrate from one {before.type} key to another of the same service"
        yield Problem(
            "seal.key",
            f"cannot change: {service}, and without the old key every secret is lost"
            f" (was {show(before.key)}, got {show(after.key)})",
            "Keep the key; rotate it inside its service.",
        )
