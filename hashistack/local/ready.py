"""LocalReady's handler: waits until the cluster is usable, and cleans up when it does not become so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import docker

from hashistack.local import labels, machines
from hashistack.local.site import engine, remove_containers
from hashistack.provider.handler import Context, Handler, Props, ResourceFailed

if TYPE_CHECKING:
    from hashistack.ops.checks import Update

_LOG_LINES = 5
_SERVICE = {"consul": "consul", "nomad": "nomad", "vault": "vault", "dns": "unbound", "boot": None}


class ReadyHandler(Handler):
    """Inputs: site, connection (secret), wait (``full``, ``servers`` or ``none``), timeout (seconds), keep_on_failure,
    machines (of all pools: another list is waited for again). Outputs: none.
    """

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        self._wait(ctx, news, kept=bool(news["keep_on_failure"]))
        return str(news["site"]), {}

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        # A cluster that was ready once has jobs and data: late machines are no reason to remove it.
        self._wait(ctx, news, kept=True)
        return {}

    def _wait(self, ctx: Context, news: Props, kept: bool) -> None:
        from hashistack.ops.checks import NotReady, readiness, wait
        from hashistack.ops.cluster import Cluster
        from hashistack.ops.connection import Connection
        from hashistack.ops.smoke import SmokeFailed

        if news["wait"] == "none":
            return
        connection = Connection.parse(news["connection"])
        checks = readiness(connection, smoke=news["wait"] == "full")

        def told(update: Update) -> None:
            (ctx.info if update.done else ctx.progress)(f"{update} ({update.seconds:.1f}s)")

        try:
            with Cluster(connection) as cluster:
                wait(cluster, checks, news["timeout"], told, ctx.cancelled)
        except (NotReady, SmokeFailed) as error:
            if ctx.cancelled.is_set():
                raise ResourceFailed(f"cancelled while waiting: {error}. `pulumi up` goes on from here.") from error
            client = engine()
            evidence = _evidence(client, news["site"])
            if not kept:
                _clean_up(client, news["site"])
            after = (
                f"The machines are kept: `docker ps --filter label={labels.SITE}={news['site']}`."
                if kept
                else "The machines were removed; `pulumi up` makes new ones. To look at them: `keep_on_failure`."
            )
            raise ResourceFailed(f"{error}\n{evidence}\n{after}") from error


def _evidence(client: docker.DockerClient, site: str) -> str:
    """Who is not well, and the last words of the service that is late."""
    lines = []
    for container in client.api.containers(all=True, filters=labels.of(site)):
        name = container["Labels"]["hashistack.machine"]
        if container["State"] != "running":
            lines.append(f"{name}: {container['Status']}")
            lines += _indented(client.api.logs(container["Id"], tail=_LOG_LINES).decode(errors="replace"))
            continue
        well, said = machines.health(client, container["Id"])
        if well:
            continue
        late = _late(said)
        lines.append(f"{name}: {late} is {said['checks'][late]}")
        service = _SERVICE.get(late)
        if service:
            command = ["tail", "-n", str(_LOG_LINES), f"/var/log/hashistack/{service}/current"]
            lines += _indented(machines.run(client, container["Id"], command)[1])
        else:
            lines += _indented(client.api.logs(container["Id"], tail=_LOG_LINES).decode(errors="replace"))
    return "\n".join(lines)


def _late(said: dict[str, Any]) -> str:
    good = {"voter", "member", "ready", "answers"}
    return next((name for name, state in said["checks"].items() if state not in good), "boot")


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()[-_LOG_LINES:]]


def _clean_up(client: docker.DockerClient, site: str) -> None:
    found = client.api.containers(all=True, filters=labels.of(site))
    remove_containers(client, found)
    for volume in client.api.volumes(filters=labels.of(site))["Volumes"] or []:
        client.api.remove_volume(volume["Name"], force=True)
