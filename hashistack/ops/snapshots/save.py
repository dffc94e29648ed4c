"""Takes one snapshot of Nomad, Consul and Vault: three archives of the vendors' in one, with a manifest."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from hashistack.errors import HashistackError
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.http import ApiError
from hashistack.ops.snapshots import key_wrap
from hashistack.ops.snapshots.archive import PRODUCTS, BadArchive, Manifest, Part, Product, examine, pack, readable
from hashistack.ops.snapshots.staging import workplace

Say = Callable[[str], None]

ACTIVE_SECONDS = 30.0
"""To come to the active Vault: only it gives and takes snapshots, and a load balancer leads to any. And for Nomad's and
Consul's autopilot to know who leads a cluster that has just begun."""


class SnapshotFailed(HashistackError):
    """A snapshot could not be taken or put back; the text says why, and what to do."""


def save(cluster: Cluster, target: Path, vault_init: str = "", say: Say = lambda text: None) -> Manifest:
    """Take a snapshot of all three products into one archive at `target` (mode 0600).

    Each product's part is consistent in itself, by its leader; the three are taken one after another, within seconds.
    The archive appears whole or not at all. What `target` held is replaced. Needs twice its size on that disk.

    Args:
        vault_init: the platform's document `vault-init`, which restoring onto new machines needs where the platform
            keeps Vault's key; it is put into the archive closed (`ops/snapshots/key_wrap.py`). "" leaves it out.
        say: told after each step.

    Raises:
        SnapshotFailed: a product did not give a sound snapshot, or the archive could not be written.
    """
    taken = datetime.now(UTC)
    where = cluster.connection
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with workplace(target.parent) as place:
            files = {product: place / f"{product}.snap" for product in PRODUCTS}
            parts = tuple(_take(cluster, product, file, say) for product, file in files.items())
            manifest = Manifest(
                cluster=where.name,
                datacenter=where.datacenter,
                region=where.region,
                taken=taken.strftime("%Y-%m-%dT%H:%M:%SZ"),
                stack=key_wrap.stack_digest(where),
                parts=parts,
                vault_init=key_wrap.close(vault_init, where) if vault_init else "",
            )
            pack(manifest, files, target, place)
    except OSError as error:
        raise SnapshotFailed(f"{target} can't be written: {error.strerror}. Nothing was left there.") from None
    return manifest


def _take(cluster: Cluster, product: Product, file: Path, say: Say) -> Part:
    try:
        running = version(cluster, product)
        headers = _DOWNLOADS[product](cluster, file)
        with file.open("rb") as content:
            part = examine(product, running, content)
    except ApiError as error:
        raise SnapshotFailed(error.what, error.remedy or "hashistack status, then repeat") from None
    except BadArchive as bad:
        raise SnapshotFailed(f"{product} sent a snapshot that {bad}. Repeat the command") from None
    said = {name.lower(): value for name, value in headers.items()}.get("digest", "")
    if said and said != f"sha-256={base64.b64encode(bytes.fromhex(part.sha256)).decode()}":
        raise SnapshotFailed(f"{product} sent a snapshot that does not have the digest it said. Repeat the command")
    say(f"{product} {part.version}: index {part.index}, {readable(part.size)}")
    return part


def version(cluster: Cluster, product: Product) -> str:
    """The version of the product's leader, e.g. 1.11.3; of any Vault that answers while none is active.

    Raises:
        ApiError: no server answers, or none leads.
    """
    if product == "vault":
        answering = [server for server in cluster.vault.health() if server.version]
        leading = [server for server in answering if server.state == "active"]
        if not answering:
            raise ApiError(product, "GET", "/v1/sys/health", None, "no server answers")
        return (leading or answering)[0].version.partition("+")[0]
    api = cluster.nomad.api if product == "nomad" else cluster.consul.api
    path, deadline = "/v1/operator/autopilot/health", time.monotonic() + ACTIVE_SECONDS
    while True:
        # 429 is autopilot's way to say "not healthy".
        health = api.call("GET", path, accept=(429,), seconds=ACTIVE_SECONDS).data
        for server in (health["Servers"] or ()) if isinstance(health, dict) else ():
            if server["Leader"]:
                return str(server["Version"]).partition("+")[0]
        if time.monotonic() > deadline:
            raise ApiError(product, "GET", path, 200, "no server leads")
        time.sleep(0.5)


def _vault(cluster: Cluster, file: Path) -> dict[str, str]:
    path, token = "/v1/sys/storage/raft/snapshot", cluster.vault.header()
    return dict(cluster.vault.api.download(path, file, token=token, seconds=ACTIVE_SECONDS))


_DOWNLOADS: dict[Product, Callable[[Cluster, Path], dict[str, str]]] = {
    "nomad": lambda cluster, file: dict(cluster.nomad.api.download("/v1/operator/snapshot", file)),
    "consul": lambda cluster, file: dict(cluster.consul.api.download("/v1/snapshot", file)),
    "vault": _vault,
}
