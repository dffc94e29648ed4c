"""What users have put into a cluster: what a restore would take away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.readiness import smoke
from hashistack.ops.snapshots import schedule

MANY = 1000
"""Vault lists secrets a directory a call: nobody needs to know a larger number exactly."""

OWN_JOBS = (smoke.JOB, schedule.JOB)
OWN_SECRETS = (smoke.SECRET, schedule.SECRET)
"""What a cluster may have of ours is nobody's loss."""


@dataclass(frozen=True)
class Contents:
    """Counts; `secrets` stops at `MANY`, and is None while Vault is not open."""

    jobs: int
    keys: int
    secrets: int | None

    def __bool__(self) -> bool:
        return bool(self.jobs or self.keys or self.secrets)

    def __str__(self) -> str:
        vault = "a Vault that is not open" if self.secrets is None else _counted(self.secrets, "Vault secret")
        return f"{_counted(self.jobs, 'Nomad job')}, {_counted(self.keys, 'Consul key')}, {vault}"


def contents(cluster: Cluster) -> Contents:
    """Count the users' jobs, keys and secrets (in `kv`).

    Raises:
        ApiError: an API refused or did not answer.
    """
    jobs = cluster.nomad.api.call("GET", "/v1/jobs", params={"namespace": "*"}).data
    keys = cluster.consul.api.call("GET", "/v1/kv/", params={"keys": "true"}, accept=(404,)).data
    opened = any(server.state in ("active", "standby") for server in cluster.vault.health())
    return Contents(
        jobs=sum(job["ID"] not in OWN_JOBS and not job["ParentID"] for job in jobs),
        keys=sum(not key.startswith("hashistack/") for key in keys) if isinstance(keys, list) else 0,
        secrets=sum(1 for _ in islice(_secrets(cluster, ""), MANY)) if opened else None,
    )


def _secrets(cluster: Cluster, below: str) -> Iterator[str]:
    path, token = f"/v1/kv/metadata/{below}", cluster.vault.header()
    listed = cluster.vault.api.call("GET", path, params={"list": "true"}, token=token, accept=(404,))
    for name in ((listed.data or {}).get("data") or {}).get("keys") or ():
        if name.endswith("/"):
            yield from _secrets(cluster, below + name)
        elif below + name not in OWN_SECRETS:
            yield below + name


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
