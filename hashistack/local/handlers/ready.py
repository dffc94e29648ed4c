"""LocalReady's handler: brings the machines to what is declared, and waits until the cluster is usable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hashistack.component.anew import ANEW, starts_anew
from hashistack.local import evidence, labels, machines, power
from hashistack.local.docker_client import DockerHandler, engine
from hashistack.local.removal import sweep_machines
from hashistack.machine.roles import SERVER
from hashistack.provider.handler import BEGAN, Context, Diff, Props, ResourceFailed, changed, is_known

if TYPE_CHECKING:
    import docker

    from hashistack.ops.api.cluster import Cluster
    from hashistack.ops.api.connection import Connection
    from hashistack.ops.readiness.checks import Result, Update
    from hashistack.ops.rollout.events import Event

CLOCKS_SECONDS = 30.0
"""What Docker's clock and ours may differ: see `preflight`."""

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
            if is_known(news["site"]):
                _foretell(ctx, news["site"])
            return Diff(update=("connection",))
        if _as_declared(news):
            return Diff(update=changed(olds, news))
        if not _foretell(ctx, news["site"]):
            return Diff(update=("machines",))
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
        client, site = engine(), news["site"]
        kept = bool(news["keep_on_failure"]) or _older(client, site)
        if not _servers(client, site):
            # The pools made them anew after a create that failed, and did not know that nothing was lost.
            power.start(client, site, [one for one in machines.listed(client.api, site) if not one.started])
        return str(site), _outputs(self._wait(ctx, news, kept))

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        # A cluster that was ready once has jobs and data: late machines are no reason to remove it.
        if not _as_declared(news) and not _servers(engine(), news["site"]):
            raise ResourceFailed(
                f"{_LOST.format(site=news['site'])} They were not replaced.",
                "`hashistack up --yes` makes new, empty servers, and `hashistack snapshot restore FILE` then "
                "brings back what a snapshot has; or `hashistack down`. With pulumi alone, the first is "
                f"`{ANEW}={news['site']} pulumi up`.",
            )
        return _outputs(self._wait(ctx, news, kept=True))

    def _wait(self, ctx: Context, news: Props, kept: bool) -> Connection:
        from hashistack.local.driver import LocalDriver
        from hashistack.ops.api.cluster import Cluster
        from hashistack.ops.api.connection import Connection
        from hashistack.ops.readiness.checks import Check, NotReady, readiness, wait
        from hashistack.ops.readiness.smoke import SmokeFailed
        from hashistack.ops.snapshots.loss import accept

        connection = Connection.parse(news["connection"])
        # Machines that were stopped and run again are as declared: nobody has to be asked what to do.
        converge = not _as_declared(news) and not (_start_stopped(ctx, connection) and _as_declared(news))
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
                    f"The machines are kept: `docker ps --filter label={labels.SITE}={news['site']}`. "
                    "`pulumi up` goes on with them; `hashistack down` removes them."
                    if kept
                    else "The machines were removed; `pulumi up` makes new ones. To look at them: `keep_on_failure`."
                )
                raise ResourceFailed(f"{error.what}\n{evidence}\n{after}", error.remedy) from error
            if starts_anew(news["site"]):
                accept(cluster)
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
                if machine.id not in self._booted and evidence.has_booted(self._client, machine.id):
                    self._booted.add(machine.id)
        except (DockerException, OSError) as error:
            return Result(False, f"Docker does not answer ({error})")
        found = len(self._booted)
        return Result(found >= self._count, f"{found}/{self._count}", steps=found)


def _as_declared(news: Props) -> bool:
    """Whether each pool has its machines and none besides, all running and none told to go.

    Then there is nothing to plan, and an `up` that changes nothing imports none of what plans.
    """
    from docker.errors import NotFound

    connection, api = json.loads(news["connection"]), engine().api
    found = machines.listed(api, connection["name"])
    for pool in connection["pools"]:
        own = [machine for machine in found if machine.pool == pool["name"]]
        if len(own) != pool["count"] or any(m.bundle != pool["bundle"] or not m.running for m in own):
            return False
    if len(found) != sum(pool["count"] for pool in connection["pools"]):
        return False
    try:
        details = [api.inspect_container(machine.id) for machine in found]
    except NotFound:  # one is gone since
        return False
    # One that Docker has started again may have left before: the driver looks closer.
    told = any(one["HostConfig"]["RestartPolicy"]["Name"] == machines.STAY["Name"] for one in details)
    return not told and not any(one["RestartCount"] for one in details)


_LOST = "{site} has no server any more: all were removed, and with them what Nomad, Consul and Vault kept."


def _foretell(ctx: Context, site: str) -> bool:
    """Say what comes before anything else: machines that are stopped are started. False: lost servers end the `up`."""
    client = engine()
    lives = [(machine, power.life(client, machine)) for machine in machines.listed(client.api, site)]
    if stopped := sum(life == "stopped" for _, life in lives):
        ctx.info(f"{stopped} stopped machine{'' if stopped == 1 else 's'} will be started, with their data")
    if not any(one.pool == SERVER and life != "terminated" for one, life in lives) and not starts_anew(site):
        ctx.warn(f"{_LOST.format(site=site)} `up` does not replace them; it says what to do.")
        return False
    return True


def _servers(client: docker.DockerClient, site: str) -> list[machines.Machine]:
    """The servers that have what they had, running or stopped."""
    return power.alive(client, machines.listed(client.api, site, SERVER))


def _older(client: docker.DockerClient, site: str) -> bool:
    """Whether there are machines that this `up` did not make: they may have been in use, whatever the state says."""
    return any(one.created < BEGAN - CLOCKS_SECONDS for one in machines.listed(client.api, site) if one.started)


def _start_stopped(ctx: Context, connection: Connection) -> bool:
    """Start what is stopped; answers whether there was anything."""
    from hashistack.local.driver import LocalDriver
    from hashistack.ops.rollout.driver import DriverFailed
    from hashistack.ops.rollout.stop import start

    def during(text: str, work: Callable[[], None]) -> None:
        ctx.progress(text)
        work()
        ctx.info(text)

    try:
        return bool(start(LocalDriver(connection), during))
    except DriverFailed as error:
        raise ResourceFailed(error.what, error.remedy) from error


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
    from hashistack.ops.rollout.stop import WakeFailed, quorum_lost
    from hashistack.ops.snapshots.save import SnapshotFailed

    event_log, driver = EventLog(project), LocalDriver(cluster.connection)

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
            driver,
            roll=roll,
            tell=told,
            snapshots=place(project, "snapshots"),
            cancelled=ctx.cancelled,
            ignored=ignored_jobs(),
        ).run()
    except JobNameInvalid as error:
        raise ResourceFailed(str(error)) from error
    except (ApiError, DriverFailed, Locked, NotReady, RolloutFailed, SnapshotFailed, WakeFailed) as error:
        if lost := quorum_lost(cluster.connection, driver):
            raise ResourceFailed(f"{error.what}\n{lost.what}", lost.remedy) from error
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
    told = (evidence.evidence(client, machine.id) for machine in machines.listed(client.api, site))
    return "\n".join(text for text in told if text)
