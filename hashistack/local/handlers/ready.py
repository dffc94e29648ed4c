"""LocalReady's handler: brings the machines to what is declared, and waits until the cluster is usable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hashistack.local import labels, machines
from hashistack.local.docker_client import DockerFailed, DockerHandler, engine
from hashistack.local.listing import listing
from hashistack.local.removal import sweep_machines
from hashistack.provider.handler import Context, Diff, Props, ResourceFailed, changed, is_known

if TYPE_CHECKING:
    import docker

    from hashistack.ops.api.cluster import Cluster
    from hashistack.ops.api.connection import Connection
    from hashistack.ops.readiness.checks import Result, Update
    from hashistack.ops.rollout.events import Event

TOKENS_SECONDS = 120.0
"""For tokens that were rotated in this `up`: machines look for them every 30 s, and ask again after as long."""


class ReadyHandler(DockerHandler):
    """Inputs: site, connection (secret), started (what each pool's resource started itself), rollout (``up`` or
    ``command``: whether machines of another bundle are replaced here), wait (``full``, ``servers`` or ``none``),
    timeout (seconds without any progress), keep_on_failure.

    Outputs: addresses (product to the address of its API).
    """

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        if not is_known(news):
            return Diff(update=("connection",))
        if _as_declared(news):
            return Diff(update=changed(olds, news))
        from hashistack.local.driver import LocalDriver
        from hashistack.ops.api.connection import Connection
        from hashistack.ops.rollout.desired import listed
        from hashistack.ops.rollout.plan import plan

        connection = Connection.parse(news["connection"])
        changes = plan(listed(connection, LocalDriver(connection), _rolls(news))).pools
        for change in changes:
            ctx.info(str(change))
        return Diff(update=(*changed(olds, news), *(["machines"] if changes else [])))

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        connection = self._wait(ctx, news, kept=bool(news["keep_on_failure"]), converge=False)
        return str(news["site"]), _outputs(connection)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        # A cluster that was ready once has jobs and data: late machines are no reason to remove it. After the loss of
        # all servers their pool has started new ones: as declared, and there is nobody yet who could be asked.
        return _outputs(self._wait(ctx, news, kept=True, converge=not _as_declared(news)))

    def _wait(self, ctx: Context, news: Props, kept: bool, converge: bool) -> Connection:
        from hashistack.local.driver import LocalDriver
        from hashistack.ops.api.cluster import Cluster
        from hashistack.ops.api.connection import Connection
        from hashistack.ops.readiness.checks import Check, NotReady, readiness, wait
        from hashistack.ops.readiness.smoke import SmokeFailed

        connection = Connection.parse(news["connection"])
        if news["wait"] == "none" and not converge:
            return connection
        booted = Check(f"{connection.machines()} machines have booted", Booted(engine(), connection.machines()))
        checks = (booted, *readiness(connection, smoke=news["wait"] == "full"))

        def told(update: Update) -> None:
            (ctx.info if update.done else ctx.progress)(f"{update} ({update.seconds:.1f}s)")

        with Cluster(connection) as cluster:
            if converge:
                _converge(ctx, cluster, _rolls(news), Path(news["project"]))
            if news["wait"] == "none":
                return connection
            try:
                wait(cluster, checks, news["timeout"], told, ctx.cancelled)
            except (NotReady, SmokeFailed) as error:
                if ctx.cancelled.is_set():
                    text = f"cancelled while waiting: {error.what}. `pulumi up` goes on from here."
                    raise ResourceFailed(text) from error
                client = engine()
                evidence = _evidence(client, news["site"])
                if not kept:
                    sweep_machines(client, news["site"])
                after = (
                    f"The machines are kept: `docker ps --filter label={labels.SITE}={news['site']}`."
                    if kept
                    else "The machines were removed; `pulumi up` makes new ones. To look at them: `keep_on_failure`."
                )
                raise ResourceFailed(f"{error.what}\n{evidence}\n{after}", error.remedy) from error
        LocalDriver(connection).close_vault_init()
        return connection


class Booted:
    """A probe: the cluster's machines have booted, each by the last line of `node/boot/boot` in its container's log."""

    def __init__(self, client: docker.DockerClient, count: int) -> None:
        self._client, self._count = client, count
        self._booted: set[str] = set()

    def __call__(self, cluster: Cluster) -> Result:
        from docker.errors import DockerException

        from hashistack.ops.readiness.checks import Result

        try:
            for machine in machines.listed(self._client.api, cluster.connection.name):
                if machine.id not in self._booted and machines.has_booted(self._client, machine.id):
                    self._booted.add(machine.id)
        except (DockerException, OSError) as error:
            return Result(False, f"Docker does not answer ({error})")
        found = len(self._booted)
        return Result(found >= self._count, f"{found}/{self._count}", steps=found)


def _as_declared(news: Props) -> bool:
    """Whether each pool has its machines and none besides, all running and none told to go.

    Then there is nothing to plan, and an `up` that changes nothing imports none of what plans.
    """
    connection, docker = json.loads(news["connection"]), listing()
    found = machines.listed(docker, connection["name"])
    for pool in connection["pools"]:
        own = [machine for machine in found if machine.pool == pool["name"]]
        if len(own) != pool["count"] or any(m.bundle != pool["bundle"] or not m.running for m in own):
            return False
    if len(found) != sum(pool["count"] for pool in connection["pools"]):
        return False
    try:
        details = [docker.inspect_container(machine.id) for machine in found]
    except DockerFailed:  # one is gone since
        return False
    # One that Docker has started again may have left before: the driver looks closer.
    told = any(one["HostConfig"]["RestartPolicy"]["Name"] == machines.STAY["Name"] for one in details)
    return not told and not any(one["RestartCount"] for one in details)


def _rolls(news: Props) -> bool:
    return bool(news["rollout"] == "up")


def _converge(ctx: Context, cluster: Cluster, roll: bool, project: Path) -> None:
    """Lost machines replaced, pools made larger and smaller, and with `roll` machines of another bundle replaced."""
    from hashistack.local.driver import LocalDriver
    from hashistack.ops.api.http import ApiError
    from hashistack.ops.api.lock import Locked
    from hashistack.ops.readiness.checks import NotReady, tokens, wait
    from hashistack.ops.rollout.driver import DriverFailed
    from hashistack.ops.rollout.event_log import EventLog, place
    from hashistack.ops.rollout.events import MachineEvent, NoticeEvent, StepEvent
    from hashistack.ops.rollout.executor import Rollout, RolloutFailed
    from hashistack.ops.rollout.ignored_jobs import JobNameInvalid, ignored_jobs
    from hashistack.ops.snapshots.save import SnapshotFailed

    event_log = EventLog(project)

    def told(event: Event) -> None:
        event_log.write(event)
        if isinstance(event, StepEvent) and event.state != "done":
            ctx.progress(event.text)
        elif isinstance(event, NoticeEvent):
            ctx.warn(event.text)
        elif isinstance(event, MachineEvent) and event.state in ("gone", "voter", "healthy"):
            ctx.progress(f"{event.machine} is {event.state}")

    try:
        wait(cluster, (tokens(),), TOKENS_SECONDS, lambda news: ctx.progress(str(news)), ctx.cancelled)
        outcome = Rollout(
            cluster,
            LocalDriver(cluster.connection),
            roll=roll,
            tell=told,
            snapshots=place(project, "snapshots"),
            cancelled=ctx.cancelled,
            ignored=ignored_jobs(),
        ).run()
    except JobNameInvalid as error:
        raise ResourceFailed(str(error)) from error
    except (ApiError, DriverFailed, Locked, NotReady, RolloutFailed, SnapshotFailed) as error:
        again = "repeat `pulumi up`, which goes on from here"
        raise ResourceFailed(error.what, f"{error.remedy}; then {again}" if error.remedy else again) from error
    if outcome.replaced:
        ctx.info(f"{outcome.replaced} machines replaced or taken away ({outcome.seconds:.1f}s)")
    if outcome.waiting:
        ctx.warn(f"machines that wait for the applications' own deploys: {outcome.waiting}. Next: hashistack rollout")


def _outputs(connection: Connection) -> Props:
    apis = {"nomad": connection.nomad, "consul": connection.consul, "vault": connection.vault}
    return {"addresses": {product: api.address for product, api in apis.items()}}


def _evidence(client: docker.DockerClient, site: str) -> str:
    """Who is not well, and the last words of the service that is late."""
    told = (machines.evidence(client, machine.id) for machine in machines.listed(client.api, site))
    return "\n".join(text for text in told if text)
