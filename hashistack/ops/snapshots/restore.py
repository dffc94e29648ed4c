"""Puts a snapshot archive back: onto machines that were made anew after a total loss, or onto those that run.

The order is Consul, Vault, Nomad, because jobs need the first two when they start again. What to know of each:

- Raft's own peers are in no snapshot, so the servers stay. Tokens are: the archive must be of this stack.
- Consul and Nomad answer when it is done. Vault answers at once, restores behind our back, and seals itself where its
  key was another one. It opens with the archive's key, which then replaces the one in the platform's secret store:
  the other machines unseal themselves with what is there.
- Machines of the past come back as entries. Nomad would wait 5 minutes for their heartbeats before it moves their
  work. Who is unknown to Consul's gossip, which no snapshot carries, is taken out at once.
- Clients find their node unknown at their next heartbeat and register again by themselves.

Nothing is remembered between two runs: repeated after a crash anywhere, all of it is done again.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.http import ApiError
from hashistack.ops.api.lock import Lock, release
from hashistack.ops.api.raft import names
from hashistack.ops.readiness.checks import Check, Result, Update, readiness, wait
from hashistack.ops.snapshots import key_wrap
from hashistack.ops.snapshots.archive import PRODUCTS, Archive, Product, readable
from hashistack.ops.snapshots.save import ACTIVE_SECONDS, SnapshotFailed, version

WAIT_SECONDS = 180.0
"""For each product to answer again, and at last for the whole cluster to be ready."""

TAKEN_SECONDS = 30.0
"""For Vault's active server to begin with a snapshot that it has taken: it begins at once, unless it loses the lead."""
UPLOADS = 3
"""How often Vault is given its snapshot: one election after another is no accident."""

_PATHS: dict[Product, str] = {
    "consul": "/v1/snapshot",
    # "force", because the key of a brand-new Vault is not the one that the snapshot is sealed with.
    "vault": "/v1/sys/storage/raft/snapshot-force",
    "nomad": "/v1/operator/snapshot",
}

_ALIVE, _FAILED = 1, 4
"""Consul's numbers for members that are part of the cluster; those that left are not."""


class NotTaken(SnapshotFailed):
    """Vault answered that it took its snapshot, and then went on with what it had."""


def refuse_unfit(cluster: Cluster, archive: Archive, key: str = "") -> None:
    """Refuse an archive that this cluster could not live with, before anything has changed.

    Raises:
        SnapshotFailed: it is another stack's, was taken on a newer version than the cluster's, or lacks Vault's key.
        ApiError: an API refused or did not answer.
    """
    manifest = archive.manifest
    if manifest.stack != key_wrap.stack_digest(cluster.connection):
        raise SnapshotFailed(
            f"{archive.file} is of {manifest.cluster}, whose tokens are not this stack's: nobody could use the cluster "
            "afterwards. Name the stack that it was taken of (-C, --stack); its machines may all be new"
        )
    for product in PRODUCTS:
        had, has = manifest.part(product).version, version(cluster, product)
        if _numbers(had) > _numbers(has):
            raise SnapshotFailed(
                f"{archive.file} was taken on {product} {had}, and this cluster runs {has}, which may not read it",
                f"set versions.{product} to {had} or later, hashistack up, and repeat",
            )
    if (
        not (key or manifest.vault_init)
        and cluster.vault.api.call("GET", "/v1/sys/seal-status").data["type"] == "shamir"
    ):
        raise SnapshotFailed(f"{archive.file} holds no key for its Vault", "name one with --unseal-key-file")


def restore(
    cluster: Cluster,
    archive: Archive,
    key: str,
    keep_key: Callable[[str], None],
    on_change: Callable[[Update], None],
    seconds: float = WAIT_SECONDS,
) -> None:
    """Put `archive` (a verified one) back and wait until the cluster is ready for jobs.

    Everything that the three products hold is replaced. `refuse_unfit` comes first.

    Args:
        key: the document with the unseal key of the archive's Vault; "" takes the archive's own, if it holds one.
        keep_key: puts that document into the platform's secret store; called once Vault has opened with it.
        on_change: gets what has been done and what is waited for.
        seconds: for each of the waits.

    Raises:
        Closed: the archive's unseal key is not this stack's.
        SnapshotFailed: a product refused its part, or Vault did not begin with it (NotTaken).
        Locked: the cluster's machines are being changed now.
        NotReady: the cluster did not come back in time; says what is missing. Repeating goes on.
    """
    started = time.monotonic()
    key = key or key_wrap.unclose(archive.manifest.vault_init, cluster.connection)
    ready = readiness(cluster.connection)
    consul = [check for check in ready if "Consul servers" in check.sentence]
    nomad = [check for check in ready if "Nomad servers" in check.sentence]

    def told(update: Update) -> None:
        on_change(replace(update, seconds=time.monotonic() - started))

    def put_back(product: Product, *after: Check) -> None:
        part = archive.manifest.part(product)
        told(Update(False, f"{product} takes its snapshot", readable(part.size), 0.0))
        api = getattr(cluster, product).api
        token, patience = (cluster.vault.header(), ACTIVE_SECONDS) if product == "vault" else (None, 0.0)
        try:
            start = archive.starts[product]
            api.upload(_PATHS[product], archive.file, start, part.size, token=token, seconds=patience)
        except ApiError as error:
            raise SnapshotFailed(error.what, error.remedy or "hashistack status, then repeat") from None
        wait(cluster, after, seconds, told)
        told(Update(True, f"{product} {part.version} is restored", f"index {part.index}", 0.0))

    def put_back_vault() -> None:
        mark = _marked(cluster)
        put_back("vault", Check("Vault opens with the snapshot's key", VaultOpen(key, keep_key, mark)))

    # A run that was killed may have left Vault sealed, with the archive's key.
    wait(cluster, [*consul, *nomad, Check("Vault is open", VaultOpen(key, keep_key))], seconds, told)
    with Lock(cluster.nomad.api, "a restore"):
        put_back("consul", *consul)
        _until_taken(put_back_vault)
    # The lock lives in Nomad: what comes back is the one of then, if a rollout held it.
    put_back("nomad", *nomad, Check("no machine of the past is listed", _ghosts_removed))
    release(cluster.nomad.api)
    wait(cluster, ready, seconds, told)


def _until_taken(put_back: Callable[[], None]) -> None:
    """Vault restores behind our back, and forgets it where an election comes between: then it is put back once more."""
    for _ in range(UPLOADS - 1):
        try:
            put_back()
        except NotTaken:
            continue
        return
    put_back()


class VaultOpen:
    """A probe: Vault is active, and holds no policy called `mark`. Opens servers that are sealed with the old key.

    Raises NotTaken where Vault is active and has held the mark for TAKEN_SECONDS.
    """

    def __init__(
        self,
        key: str,
        keep_key: Callable[[str], None],
        mark: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._document, self._keep_key, self._mark, self._clock = key, keep_key, mark, clock
        self._kept = False
        self._held: float | None = None

    def __call__(self, cluster: Cluster) -> Result:
        seen = cluster.vault.health()
        for server in seen:
            if server.state == "sealed" and self._document and not self._kept and self._opens(cluster, server.address):
                # Only a key that has opened this Vault may replace what the machines unseal themselves with.
                self._keep_key(self._document)
                self._kept = True
        states = ", ".join(server.state for server in seen)
        if not any(server.state in ("active", "standby") for server in seen):
            return Result(False, states)
        cluster.vault.login()  # where none is active it fails; the restored Vault knows no token of the one before
        if not self._mark or not _has_policy(cluster, self._mark):
            return Result(True, states)
        now = self._clock()
        self._held = now if self._held is None else self._held
        if now - self._held > TAKEN_SECONDS:
            raise NotTaken(
                "vault: took its snapshot and did not begin with it", "repeat the same command, which is safe"
            )
        return Result(False, "it has not begun yet")

    def _opens(self, cluster: Cluster, address: str) -> bool:
        key = json.loads(self._document)["keys_base64"][0]
        try:
            answer = cluster.vault.api.call("PUT", "/v1/sys/unseal", body={"key": key}, address=address)
        except ApiError:
            return False
        return not answer.data["sealed"]


def _marked(cluster: Cluster) -> str:
    """Write a policy that no snapshot has: once it is gone, the snapshot is there. Answers its name."""
    name = f"hashistack-restore-{secrets.token_hex(8)}"
    body = {"policy": f'path "{name}" {{ capabilities = ["deny"] }}'}
    cluster.vault.api.call("PUT", f"/v1/sys/policies/acl/{name}", body=body, token=cluster.vault.header(), seconds=10)
    return name


def _has_policy(cluster: Cluster, name: str) -> bool:
    path, token = f"/v1/sys/policies/acl/{name}", cluster.vault.header()
    return cluster.vault.api.call("GET", path, token=token, accept=(404,)).status != 404


def _ghosts_removed(cluster: Cluster) -> Result:
    """A probe: Nomad and Consul list no machine that gossip does not know; takes those out that they do."""
    members = cluster.consul.api.call("GET", "/v1/agent/members").data
    known = {member["Name"] for member in members if member["Status"] in (_ALIVE, _FAILED)}
    nodes = [node for node in cluster.nomad.nodes() if node.name not in known]
    # Nodes without a pool are none of our machines: services outside, which somebody registered.
    machines = [name for name, pool in cluster.consul.machines().items() if pool and name not in known]
    for node in nodes:
        cluster.nomad.purge(node)
    for name in machines:
        cluster.consul.forget(name)
    gone = sorted({*(node.name for node in nodes), *machines})
    return Result(not gone, f"removed {names(gone)}" if gone else "")


def _numbers(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.partition("-")[0].split("."))
