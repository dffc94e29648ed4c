"""NomadJob's handler: a job in a cluster that is there already."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hashistack.jobs.progress import Progress, failures, progress, told
from hashistack.provider.handler import Context, Diff, Failure, Handler, Props, ResourceFailed, changed, is_known

if TYPE_CHECKING:
    from hashistack.ops.api.cluster import Cluster
    from hashistack.ops.api.nomad import Allocation, Nomad

DEPLOY_SECONDS = 900.0
"""How long a deployment may take: longer than Nomad's own progress deadline of ten minutes."""
_HOLD_SECONDS = 1.0
"""A deployment may end without a change of any allocation."""
SHOWN = 3
"""Failing allocations that are told; the others most likely fail in the same way."""
CHARACTERS = 600
"""Of the end of a task's log."""


class JobHandler(Handler):
    """Inputs: connection (secret), job (HCL or JSON text). Outputs: job_id, job_version."""

    def check(self, news: Props) -> list[Failure]:
        if is_known(news.get("job")) and not str(news["job"]).strip():
            return [Failure("job", "is empty: give HCL or JSON")]
        return []

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        return Diff(update=changed(olds, news, among=("job",)))

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        with _cluster(news) as cluster:
            return self._deploy(ctx, cluster.nomad, news["job"], cluster.connection.secrets)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        with _cluster(news) as cluster:
            _, outputs = self._deploy(ctx, cluster.nomad, news["job"], cluster.connection.secrets)
            if outputs["job_id"] != olds.get("job_id"):  # it has another name now
                cluster.nomad.deregister(olds["job_id"])
        return outputs

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        with _cluster(olds) as cluster:
            cluster.nomad.deregister(olds["job_id"])

    def _deploy(self, ctx: Context, nomad: Nomad, text: str, secrets: Sequence[str]) -> tuple[str, Props]:
        from hashistack.ops.api.http import ApiError

        job = _parsed(nomad, text)
        if (namespace := job.get("Namespace") or "default") != "default":
            raise ResourceFailed(
                f"job {job['ID']}: is for namespace {namespace}, and only the default one is known here"
            )
        try:
            version = nomad.register(job)
        except ApiError as error:
            if error.status is None:
                raise
            raise ResourceFailed(f"job {job['ID']}: Nomad does not take it: {error.excerpt}") from error
        id, outputs = str(job["ID"]), {"job_id": job["ID"], "job_version": version}
        ended = self._wait(ctx, nomad, id, version, secrets)
        if not ended.well:
            # It is registered: the next `up` changes it, the next `destroy` removes it.
            raise ResourceFailed(f"job {id}: {ended.text}", ended.remedy, id=id, props=outputs)
        ctx.info(f"job {id}: {ended.text}")
        return id, outputs

    def _wait(self, ctx: Context, nomad: Nomad, id: str, version: int, secrets: Sequence[str]) -> Progress:
        """Until this version has come to where it is to be, or will not: see `progress`."""
        ends, index = time.monotonic() + (ctx.timeout or DEPLOY_SECONDS), 0
        job = nomad.job(id)
        log = _Log(nomad, secrets)
        while not ctx.cancelled.is_set():
            allocations, index = nomad.allocations(id, index, _HOLD_SECONDS if index else 0)
            now = progress(job, version, nomad.deployment(id), allocations, nomad.blocked(id))
            if now.well:
                return now
            ill = failures(allocations, version)
            if now.well is False:
                return replace(now, text="\n".join([now.text, *log.story(ill)]))
            if time.monotonic() > ends:
                late = f"not done after {ctx.timeout or DEPLOY_SECONDS:.0f} s: {now.text}"
                return replace(now, text="\n".join([late, *log.story(ill)]))
            told = "; ".join([now.text, *log.story(ill)[:2]])
            ctx.progress(f"{told}. Next: {now.remedy}" if now.remedy else told)
        return Progress(False, "cancelled while it was deployed")


class _Log:
    """What failing allocations say; a task's log is read again only when it has ended once more."""

    def __init__(self, nomad: Nomad, secrets: Sequence[str]) -> None:
        self._nomad, self._secrets = nomad, secrets
        self._read: dict[tuple[str, str, int, str], list[str]] = {}

    def story(self, ill: Sequence[Allocation]) -> list[str]:
        """A line for each of a few allocations, with the last lines of its task below."""
        lines = []
        for one in ill[:SHOWN]:
            what, task = told(one)
            lines.append("\n".join([what, *(f"    {line}" for line in self._last(one, task))]))
        return lines

    def _last(self, one: Allocation, task: str) -> list[str]:
        key = (one.id, task, one.restarts.get(task, 0), one.status)
        if task and key not in self._read:
            said = self._nomad.stderr(one.id, task, CHARACTERS)
            said = said or self._nomad.stderr(one.id, task, CHARACTERS, kind="stdout")
            # Imported here, with the specification: every `up` loads this module, and few jobs fail.
            from hashistack.jobs.excerpt import excerpt

            self._read[key] = excerpt(said, self._secrets)
        return self._read.get(key, [])


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


def _parsed(nomad: Nomad, text: str) -> dict[str, Any]:
    try:
        job = json.loads(text)
    except ValueError:
        return nomad.parse(text)
    found: dict[str, Any] = job.get("Job", job)
    return found
