"""The machines that the tests render: three specifications, as far apart as specifications get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hashistack.aws.pools import first_fetch
from hashistack.aws.pools.platform import platform as aws_platform
from hashistack.gcp.pools import first_fetch as gcp_first_fetch
from hashistack.gcp.pools.platform import platform as gcp_platform
from hashistack.local import blueprint
from hashistack.machine.bundle import SERVER, Binary, Bundle, render
from hashistack.machine.platform import Platform
from hashistack.machine.user_data import user_data
from hashistack.spec import ClientPool, ClusterSpec, Dns, Network, ServerPool
from hashistack.spec.pool import HostVolume
from hashistack.spec.tls import Tls

LAPTOP = Platform(
    name="local",
    join=("servers.hashistack.internal",),
    upstreams=("127.0.0.11",),
    forward_zones={"hashistack.internal": ("127.0.0.11",)},
    operators=("172.30.0.1/32",),
)
KMS = Platform(
    name="local",
    join=("provider=aws tag_key=hashistack:cluster tag_value=x",),
    upstreams=("10.0.0.2", "169.254.169.253"),
    seal={"awskms": {"kms_key_id": "arn:aws:kms:eu-central-1:111122223333:alias/x", "region": "eu-central-1"}},
)
AWS = aws_platform("eu-central-1", ("169.254.169.253",), "arn:aws:kms:eu-central-1:111122223333:key/x")
GCP = gcp_platform(("169.254.169.254",), "projects/x-project/locations/europe-west1/keyRings/x/cryptoKeys/vault")
STARTS = {"local": blueprint.START, "aws": first_fetch.START, "gcp": gcp_first_fetch.START}
"""What user data has of a platform's own, by its name."""
_SECRET = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:x-{}-AbCdEf"


@dataclass(frozen=True)
class Case:
    """A specification on a platform, and the pools that it makes."""

    spec: ClusterSpec
    platform: Platform

    @property
    def pools(self) -> tuple[str, ...]:
        return (SERVER, *(pool.name for pool in self.spec.clients))

    def bundle(self, pool: str) -> Bundle:
        return render(self.spec, pool, self.platform, binaries(pool))

    def user_data(self, pool: str, sha256: str, **environment: str) -> str:
        url = f"file:///opt/hashistack/artifacts/{sha256}.tar.gz"
        if self.platform.name == "aws":
            url = f"s3://x-bundles/bundles/{sha256}.tar.gz"
            names = ("server", "vault-init") if pool == SERVER else ("client",)
            secrets = {f"HS_SECRET_{name.upper().replace('-', '_')}": _SECRET.format(name) for name in names}
            environment = {"HS_REGION": "eu-central-1", "HS_BUCKET": "x-bundles", **secrets, **environment}
        if self.platform.name == "gcp":
            url = f"gs://x-bundles/bundles/{pool}.tar.gz#1764460800000000"
            names = ("server", "vault-init") if pool == SERVER else ("client",)
            secrets = {
                f"HS_SECRET_{name.upper().replace('-', '_')}": f"projects/x-project/secrets/x-{name}" for name in names
            }
            environment = {"HS_PROJECT": "x-project", "HS_BUCKET": "x-bundles", **secrets, **environment}
        return user_data(
            start=STARTS[self.platform.name],
            cluster=self.spec.name,
            role=role(pool),
            pool=pool,
            bundle_url=url,
            bundle_sha256=sha256,
            servers=self.spec.servers.count,
            upgrade=self.spec.upgrade,
            environment=environment,
        )


def role(pool: str) -> str:
    return SERVER if pool == SERVER else "client"


def binaries(pool: str) -> tuple[Binary, ...]:
    """What a machine of the pool installs, under digests that stand for any."""
    digests = {"consul": "c" * 64, "nomad": "a" * 64, ("vault" if pool == SERVER else "cni"): "e" * 64}
    return tuple(
        Binary(name, "1.2.3", digest, f"file:///opt/hashistack/bin/{name}/{digest}") for name, digest in digests.items()
    )


CASES = {
    "minimal": Case(ClusterSpec(name="x"), LAPTOP),
    "five-servers-two-pools": Case(
        ClusterSpec(
            name="shop",
            datacenter="fra1",
            region="eu",
            servers=ServerPool(count=5, heartbeat_grace="45s"),
            clients=(
                ClientPool(
                    name="web",
                    desired=2,
                    max=4,
                    node_class="c7",
                    meta={"rack": "r1", "owner.team": 'the "A" team\'s $5 C:\\new'},
                    drivers=("exec", "docker"),
                    host_volumes={
                        "certificates": HostVolume(path="/etc/ssl/certs", read_only=True),
                        "data": HostVolume(path="/srv/data"),
                    },
                ),
                ClientPool(name="Batch_2", desired=3, drivers=("java",)),
            ),
            network=Network(bridge="10.77.0.0/22", min_dynamic_port=21000, max_dynamic_port=22000),
            dns=Dns(domain="shop.consul", upstreams=("9.9.9.9", "1.1.1.1"), cache_max_ttl="10m"),
            tls=Tls(min_version="tls13"),
        ),
        Platform(
            name="local",
            join=LAPTOP.join,
            upstreams=("9.9.9.9", "1.1.1.1"),
            operators=("10.1.0.0/16", "10.2.0.0/16"),
        ),
    ),
    "awskms-seal": Case(ClusterSpec(name="x"), KMS),
    "aws": Case(ClusterSpec(name="x", clients=(ClientPool(name="web"),)), AWS),
    "gcp": Case(ClusterSpec(name="x", clients=(ClientPool(name="web"),)), GCP),
}

POOLS = [(name, pool) for name, case in CASES.items() for pool in case.pools]
"""Each pool of each case."""


def configuration(bundle: Bundle, product: str) -> dict[str, Any]:
    """A product's whole configuration, as the machine merges it, placeholders and all."""
    merged: dict[str, Any] = {}
    for path in sorted(path for path in bundle.files if path.startswith(f"conf/{product}/")):
        merged = _merge(merged, json.loads(bundle.files[path]))
    return merged


def _merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merge(under[key], over[key])
        for key in under.keys() & over.keys()
        if isinstance(under[key], dict) and isinstance(over[key], dict)
    }
    return {**under, **over, **both}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value of a configuration, with its path: ``acl.tokens.agent``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value
