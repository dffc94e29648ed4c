"""NomadJob's handler: a job in a cluster that is there already."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hashistack.provider.handler import Context, Diff, Failure, Handler, Props, ResourceFailed, changed, is_known

if TYPE_CHECKING:
    from hashistack.ops.api.nomad import Nomad

DEPLOY_SECONDS = 900.0
"""How long a deployment may take: longer than Nomad's own progress deadline of ten minutes."""
_HOLD_SECONDS = 5.0


class JobHandler(Handler):
    """Inputs: connection (secret), job (HCL or JSON text). Outputs: job_id, job_version."""

    def check(self, news: Props) -> list[Failure]:
        if is_known(news.get("job")) and not str(news["job"]).strip():
            return [Failure("job", "is empty: give HCL or JSON")]
        return []

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        return Diff(update=changed(olds, news, among=("job",)))

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        with _nomad(news) as nomad:
            return self._deploy(ctx, nomad, news["job"])

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        with _nomad(news) as nomad:
            _, outputs = self._deploy(ctx, nomad, news["job"])
            if outputs["job_id"] != olds.get("job_id"):  # it has another name now
                nomad.deregister(olds["job_id"])
        return outputs

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        with _nomad(olds) as nomad:
            nomad.deregister(olds["job_id"])

    def _deploy(self, ctx: Context, nomad: Nomad, text: str) -> tuple[str, Props]:
        job = _parsed(nomad, text)
        if (namespace := job.get("Namespace") or "default") != "default":
            raise ResourceFailed(
                f"job {job['ID']}: is for namespace {namespace}, and only the default one is known here"
            )
        version = nomad.register(job)
        id, outputs = str(job["ID"]), {"job_id": job["ID"], "job_version": version}
        if why := self._wait(ctx, nomad, job["ID"], version):
            # It is registered: the next `up` changes it, the next `destroy` removes it.
            raise ResourceFailed(f"job {job['ID']}: {why}", id=id, props=outputs)
        return id, outputs

    def _wait(self, ctx: Context, nomad: Nomad, job_id: str, version: int) -> str:
        """Until the deployment of this version has succeeded; why it did not, "" when it did, or there is none."""
        ends, index = time.monotonic() + (ctx.timeout or DEPLOY_SECONDS), 0
        while not ctx.cancelled.is_set():
            deployment = nomad.deployment(job_id)
            if not deployment or deployment.job_version != version:
                if not nomad.deploys(job_id):
                    return ""
            elif deployment.status == "successful":
                return ""
            elif deployment.status in ("failed", "cancelled", "blocked"):
                return deployment.description
            if time.monotonic() > ends:
                return nomad.blocked(job_id) or "its deployment has not ended in time"
            ctx.progress(nomad.blocked(job_id) or "deploying")
            _, index = nomad.allocations(job_id, index, _HOLD_SECONDS)
        return "cancelled while it was deployed"


@contextmanager
def _nomad(props: Props) -> Iterator[Nomad]:
    from hashistack.ops.api.cluster import Cluster
    from hashistack.ops.api.connection import Connection, ConnectionInvalid
    from hashistack.ops.api.http import ApiError

    try:
        with Cluster(Connection.parse(props["connection"])) as cluster:
            yield cluster.nomad
    except ConnectionInvalid as error:
        raise ResourceFailed(error.what, "pass the cluster stack's output `connection`") from error
    except ApiError as error:
        raise ResourceFailed(error.what, "see that this machine reaches the cluster's Nomad") from error


def _parsed(nomad: Nomad, text: str) -> dict[str, Any]:
    try:
        job = json.loads(text)
    except ValueError:
        return nomad.parse(text)
    found: dict[str, Any] = job.get("Job", job)
    return found
