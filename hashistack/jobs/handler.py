"""NomadJob's handler: a job in a cluster that is there already."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hashistack.jobs.deploy import DEPLOY_SECONDS, JobRefused, JobUnplaceable, plan, refuse_unplaceable, submit, watch
from hashistack.provider.handler import Context, Diff, Failure, Handler, Props, ResourceFailed, changed, is_known

if TYPE_CHECKING:
    from hashistack.jobs.progress import Progress
    from hashistack.ops.api.cluster import Cluster
    from hashistack.ops.api.nomad import Nomad

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)


class JobHandler(Handler):
    """Inputs: connection (secret), job (HCL or JSON text), variables (those of HCL). Outputs: job_id, job_version."""

    def check(self, news: Props) -> list[Failure]:
        if not is_known(news.get("job")):
            return []
        text = str(news["job"]).strip()
        if not text:
            return [Failure("job", "is empty: give HCL or JSON")]
        variables = news.get("variables")
        if not variables or not is_known(variables):
            return []
        if text.startswith("{"):
            return [Failure("variables", "are for HCL, and the job is JSON: write the values into it")]
        bad = [name for name in variables if not _NAME.fullmatch(name)]
        return [Failure(f"variables.{name}", "is no name of a variable in HCL") for name in bad]

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        return Diff(update=changed(olds, news, among=("job", "variables")))

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        with _cluster(news) as cluster:
            return self._deploy(ctx, cluster, news)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        with _cluster(news) as cluster:
            _, outputs = self._deploy(ctx, cluster, news)
            if outputs["job_id"] != olds.get("job_id"):  # it has another name now
                cluster.nomad.deregister(olds["job_id"])
        return outputs

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        with _cluster(olds) as cluster:
            cluster.nomad.deregister(olds["job_id"])

    def _deploy(self, ctx: Context, cluster: Cluster, news: Props) -> tuple[str, Props]:
        nomad = cluster.nomad
        job = _parsed(nomad, news["job"], news.get("variables") or {})
        if (namespace := job.get("Namespace") or "default") != "default":
            raise ResourceFailed(
                f"job {job['ID']}: is for namespace {namespace}, and only the default one is known here"
            )
        try:
            waits = refuse_unplaceable(nomad, job, plan(nomad, job)[1], cluster.connection.pools)
            version = submit(nomad, job)
        except (JobRefused, JobUnplaceable) as error:
            raise ResourceFailed(error.what, error.remedy) from error
        id, outputs = str(job["ID"]), {"job_id": job["ID"], "job_version": version}
        if waits:
            ctx.info(f"job {id}: {waits}")
        ended = _watched(ctx, nomad, id, version, cluster.connection.secrets)
        if not ended.well:
            # It is registered: the next `up` changes it, the next `destroy` removes it.
            raise ResourceFailed(f"job {id}: {ended.text}", ended.remedy, id=id, props=outputs)
        ctx.info(f"job {id}: {ended.text}")
        return id, outputs


def _watched(ctx: Context, nomad: Nomad, id: str, version: int, secrets: Sequence[str]) -> Progress:
    def told(now: Progress, story: Sequence[str]) -> None:
        text = "; ".join([now.text, *story[:2]])
        ctx.progress(f"{text}. Next: {now.remedy}" if now.remedy else text)

    return watch(nomad, id, version, secrets, told, ctx.cancelled, seconds=ctx.timeout or DEPLOY_SECONDS)


@contextmanager
def _cluster(props: Props) -> Iterator[Cluster]:
    from hashistack.ops.api.cluster import Cluster
    from hashistack.ops.api.connection import Connection, ConnectionInvalid
    from hashistack.ops.api.http import ApiError

    try:
        with Cluster(Connection.parse(props["connection"])) as cluster:
            yield cluster
    except ConnectionInvalid as error:
        raise ResourceFailed(error.what, "pass the cluster stack's output `connection`") from error
    except ApiError as error:
        raise ResourceFailed(error.what, "see that this machine reaches the cluster's Nomad") from error


def _parsed(nomad: Nomad, text: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    try:
        job = json.loads(text)
    except ValueError:
        return nomad.parse(text, variables)
    found: dict[str, Any] = job.get("Job", job)
    return found
