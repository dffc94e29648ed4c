"""What the machines of a pool boot from: the bundle, and the first script that leads to it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import pulumi

from hashistack.machine.bundle import Binary, Bundle, render
from hashistack.machine.platform import Platform
from hashistack.machine.roles import SERVER
from hashistack.machine.user_data import Start, user_data
from hashistack.spec import ClusterSpec
from hashistack.spec.policy import UpgradePolicy

PEERS: Final = "peers.hashistack.internal"
"""The servers, as `node/watch/dns-servers` has found them by the platform's `peers`: each machine's own unbound knows
the name."""

PROGRAMS: Final = ("boot/install-init-service", "boot/provision", "boot/supervise", "lib/requests.sh")
"""What a machine from any image needs: what the image lacks, a place in its init, and the way to its cloud's APIs."""


ENVIRONMENT: Final = {"HS_SECRETS_EVERY": "120"}
"""What machines on every cloud are told alike: seconds after which each asks for its role's secret again, and half as
many more by chance (`node/rotate/secrets-watch`). Each answer costs: so about 0.09 $ a machine and month."""


@dataclass(frozen=True)
class BootInputs:
    """Where the machines of a pool are: what is known only once the cluster's resources are there.

    platform: the facts. start: how they fetch their bundle. binaries: the pool's, each with its place in the bucket.
    environment: names that the platform's program reads (`machine.user_data`), never a secret.
    """

    platform: Platform
    start: Start
    binaries: tuple[Binary, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Boot:
    """What a pool's machines boot from: the bundle's digest, and their first script."""

    bundle: pulumi.Output[str]
    user_data: pulumi.Output[str]


def boot(
    spec: ClusterSpec,
    site: str,
    pool: str,
    inputs: pulumi.Output[BootInputs],
    upload: Callable[[pulumi.Output[str]], pulumi.Output[str]],
) -> Boot:
    """Renders the pool's bundle as soon as all that is in it is known, and uploads it.

    upload: puts the archive, in base64, where machines fetch it; returns its URL.
    """
    made = inputs.apply(lambda it: bundle(spec, pool, it))
    digest = made.apply(lambda it: it.sha256)
    url = upload(made.apply(lambda it: b64encode(it.archive).decode()))
    script = pulumi.Output.all(inputs, url, digest).apply(lambda it: first_script(spec, site, pool, *it))
    return Boot(digest, script)


def upgrade(spec: ClusterSpec, pool: str) -> UpgradePolicy:
    """How the machines of the pool are replaced."""
    return next((spec.upgrade_of(found) for found in spec.clients if found.name == pool), spec.upgrade)


def bundle(spec: ClusterSpec, pool: str, inputs: BootInputs) -> Bundle:
    """The bundle that the pool's machines boot from. Pure."""
    return render(spec, pool, inputs.platform, inputs.binaries)


def first_script(spec: ClusterSpec, site: str, pool: str, inputs: BootInputs, url: str, digest: str) -> str:
    """The first script of the pool's machines: names and digests, never a secret. `url` is the bundle's. Pure."""
    return user_data(
        start=inputs.start,
        cluster=site,
        role=SERVER if pool == SERVER else "client",
        pool=pool,
        bundle_url=url,
        bundle_sha256=digest,
        servers=spec.servers.count,
        upgrade=upgrade(spec, pool),
        environment={**ENVIRONMENT, **inputs.environment},
    )
