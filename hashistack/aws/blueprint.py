"""What the machines of a pool have in common, computed from what is known of the cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hashistack.aws.platform import platform
from hashistack.machine.bundle import Binary, Bundle, render
from hashistack.machine.roles import SERVER
from hashistack.machine.user_data import user_data
from hashistack.spec import ClusterSpec
from hashistack.spec.catalog import Product
from hashistack.spec.policy import UpgradePolicy


@dataclass(frozen=True)
class Ground:
    """Where a cluster's machines stand: what is known only once its resources are there.

    bucket: the name. binaries: those of the pool's architecture, with their places in the bucket. secret, vault_init:
    ARNs. upstreams: resolvers. operators: CIDRs from which the load balancer's requests come.
    """

    region: str
    bucket: str
    binaries: tuple[Binary, ...]
    secret: str
    vault_init: str
    seal_key: str
    upstreams: tuple[str, ...]
    operators: tuple[str, ...] = ()


def tools(pool: str) -> tuple[Product, ...]:
    """What a machine of the pool runs."""
    return ("consul", "nomad", "vault") if pool == SERVER else ("cni", "consul", "nomad")


def upgrade(spec: ClusterSpec, pool: str) -> UpgradePolicy:
    """How the machines of the pool are replaced."""
    return next((spec.upgrade_of(found) for found in spec.clients if found.name == pool), spec.upgrade)


def bundle(spec: ClusterSpec, site: str, pool: str, ground: Ground) -> Bundle:
    """The bundle that the pool's machines boot from."""
    facts = platform(site, ground.region, ground.upstreams, ground.seal_key, ground.operators)
    return render(spec, pool, facts, tuple(one for one in ground.binaries if one.name in tools(pool)))


def first_script(spec: ClusterSpec, site: str, pool: str, ground: Ground, digest: str) -> str:
    """The user data of the pool's machines: names and digests, never a secret."""
    server = pool == SERVER
    environment: Mapping[str, str] = {
        "HS_REGION": ground.region,
        "HS_BUCKET": ground.bucket,
        "HS_SECRET_SERVER" if server else "HS_SECRET_CLIENT": ground.secret,
        **({"HS_SECRET_VAULT_INIT": ground.vault_init} if server else {}),
    }
    return user_data(
        platform="aws",
        cluster=site,
        role=SERVER if server else "client",
        pool=pool,
        bundle_url=f"s3://{ground.bucket}/{bundle_key(digest)}",
        bundle_sha256=digest,
        servers=spec.servers.count,
        upgrade=upgrade(spec, pool),
        environment=environment,
    )


def bundle_key(digest: str) -> str:
    """Where a bundle is in the bucket."""
    return f"bundles/{digest}.tar.gz"
