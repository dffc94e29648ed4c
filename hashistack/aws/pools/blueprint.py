"""What the machines of a pool boot from, computed from what is known of the cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hashistack.aws.pools.first_fetch import START
from hashistack.aws.pools.platform import platform
from hashistack.machine.bundle import Binary, Bundle, render
from hashistack.machine.roles import SERVER
from hashistack.machine.user_data import user_data
from hashistack.spec import ClusterSpec
from hashistack.spec.policy import UpgradePolicy


@dataclass(frozen=True)
class Ground:
    """Where the machines of a pool stand: what is known only once the cluster's resources are there.

    bucket: its name. binaries: the pool's, each with its place in the bucket. secret, vault_init: ARNs of the role's
    document and of Vault's recovery keys. upstreams: resolvers. operators: CIDRs of the load balancer's requests.
    made_of: what a change of replaces the machines: their type, disks and image.
    """

    region: str
    bucket: str
    binaries: tuple[Binary, ...]
    secret: str
    vault_init: str
    seal_key: str
    upstreams: tuple[str, ...]
    operators: tuple[str, ...] = ()
    made_of: Mapping[str, object] = field(default_factory=dict)


def upgrade(spec: ClusterSpec, pool: str) -> UpgradePolicy:
    """How the machines of the pool are replaced."""
    return next((spec.upgrade_of(found) for found in spec.clients if found.name == pool), spec.upgrade)


def bundle(spec: ClusterSpec, site: str, pool: str, ground: Ground) -> Bundle:
    """The bundle that the pool's machines boot from."""
    facts = platform(site, ground.region, ground.upstreams, ground.seal_key, ground.operators, ground.made_of)
    return render(spec, pool, facts, ground.binaries)


def first_script(spec: ClusterSpec, site: str, pool: str, ground: Ground, url: str, digest: str) -> str:
    """The user data of the pool's machines: names and digests, never a secret. `url` is the bundle's."""
    server = pool == SERVER
    environment: Mapping[str, str] = {
        "HS_REGION": ground.region,
        "HS_BUCKET": ground.bucket,
        "HS_SECRET_SERVER" if server else "HS_SECRET_CLIENT": ground.secret,
        **({"HS_SECRET_VAULT_INIT": ground.vault_init} if server else {}),
    }
    return user_data(
        start=START,
        cluster=site,
        role=SERVER if server else "client",
        pool=pool,
        bundle_url=url,
        bundle_sha256=digest,
        servers=spec.servers.count,
        upgrade=upgrade(spec, pool),
        environment=environment,
    )
