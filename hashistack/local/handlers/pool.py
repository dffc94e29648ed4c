"""LocalServerPool's and LocalClientPool's handler: declares machines as one resource, and starts the first ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hashistack.component.anew import starts_anew
from hashistack.local import labels, machines, power
from hashistack.local.docker_client import DockerHandler, engine
from hashistack.local.ranges import SLOTS, ports
from hashistack.local.removal import remove_containers, remove_volume
from hashistack.machine.roles import SERVER, TOOLS
from hashistack.machine.source_digest import source_digest
from hashistack.provider.handler import UNKNOWN, Context, Diff, Failure, Props, is_known

if TYPE_CHECKING:
    import docker

_REPLACED = "{pool}: its machines are to be replaced by new ones: {why}"


class PoolHandler(DockerHandler):
    """Starts the machines of a pool that has none. Those of a pool that lives are the rollout's business.

    Servers that are all gone took the cluster's data with them: new ones are made, and started by LocalReady alone.

    Inputs: site, labels, network, port_base, gateway, upstreams, image, tools, spec (JSON text), pool, count,
    secrets (the role document, secret). Outputs: bundle_sha256, renderer (the digest of what rendered it), template
    (what a machine is made from), started (the machines that the resource itself started last), endpoints (servers:
    product to the addresses, on loopback, of every place that a server may take).
    """

    def check(self, news: Props) -> list[Failure]:
        if is_known(news.get("count")) and news["count"] < 0:
            return [Failure("count", f"must be 0 or more (got {news['count']})")]
        return []

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        if olds["site"] != news["site"] or olds["pool"] != news["pool"]:
            return Diff(replace=("site",), delete_before_replace=True)
        if not is_known(news):
            self._foretell(ctx, olds, news)
            return Diff(update=("bundle_sha256",))
        reasons = []
        if _bundle_digest(olds, news) != olds.get("bundle_sha256"):
            reasons.append("bundle_sha256")
            if olds.get("template"):
                from hashistack.local.blueprint import difference

                why = difference(olds["template"], template(news))
                ctx.info(_REPLACED.format(pool=news["pool"], why=why))
        if olds.get("renderer") != source_digest("local"):
            reasons.append("renderer")  # or each later diff would render again
        if olds.get("template") != template(news):
            reasons.append("template")
        if olds.get("secrets") != news["secrets"]:
            reasons.append("secrets")
        if news["count"] and not _alive(news):
            reasons.append("machines")
        return Diff(update=tuple(reasons))

    def _foretell(self, ctx: Context, olds: Props, news: Props) -> None:
        """Before tools are here that nobody has fetched yet, their versions say what they will change."""
        if not olds.get("template") or news["spec"] is UNKNOWN:
            return
        from hashistack.local.blueprint import moved
        from hashistack.spec import ClusterSpec

        versions = ClusterSpec.parse(json.loads(news["spec"])).versions
        if why := moved(olds["template"], {tool: versions.of(tool) for tool in TOOLS}):
            ctx.info(_REPLACED.format(pool=news["pool"], why=why))

    def preview(self, ctx: Context, olds: Props | None, news: Props) -> Props:
        if not is_known(template(news)):
            return {}
        started = (olds or {}).get("started")
        known = _outputs(news, started or [])
        if started is None or (news["count"] and not _alive(news)):
            del known["started"]
        return known

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        from hashistack.local.blueprint import blueprint

        client, plan = engine(), blueprint(template(news))
        # What an `up` that was killed left of a pool that never was: other machines than these are of no use.
        found = machines.listed(client.api, plan.site, plan.pool)
        useful = {one.name for one in power.alive(client, found) if one.bundle == plan.bundle}
        remove_containers(client, [{"Id": machine.id} for machine in found if machine.name not in useful])
        if not useful:
            remove_volume(client, plan.volume)  # its Vault is gone, so its keys are of no use
        wanted = [f"{plan.pool}-{number}" for number in range(1, news["count"] + 1)]
        self._start(ctx, client, news, [name for name in wanted if name not in useful])
        return f"{news['site']}-{news['pool']}", _outputs(news, wanted)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        client = engine()
        found = machines.listed(client.api, news["site"], news["pool"])
        if alive := power.alive(client, found):
            machines.put_secrets(client, alive[0].id, _documents(news))
            return _outputs(news, olds.get("started", []))
        servers, anew = news["pool"] == SERVER, starts_anew(news["site"])
        # One that never ran holds nothing. One that has left is the rollout's; of servers it may be all that is left.
        remove_containers(client, [{"Id": one.id} for one in found if not one.started or (servers and anew)])
        if servers and anew:
            remove_volume(client, f"{id}-secrets")  # its Vault is gone, so its keys are of no use
        started = list(machines.fresh_names(news["pool"], news["count"]))
        # Whether the cluster was ready before is known to LocalReady: it refuses, or starts them.
        self._start(ctx, client, news, started, started=anew or not servers)
        return _outputs(news, started)

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        client = engine()
        filters = {"label": [f"{labels.SITE}={olds['site']}", f"{labels.POOL}={olds['pool']}"]}
        remove_containers(client, client.api.containers(all=True, filters=filters))
        remove_volume(client, f"{id}-secrets")

    def _start(
        self, ctx: Context, client: docker.DockerClient, news: Props, names: Sequence[str], started: bool = True
    ) -> None:
        from hashistack.local.blueprint import blueprint

        if names:
            ctx.progress(f"{'starting' if started else 'making'} {len(names)} {news['pool']} machines")
            machines.start(client, blueprint(template(news)), names, _documents(news), started=started)


def _alive(news: Props) -> bool:
    """Whether a machine of the pool runs, or is stopped and can be started again with what it holds."""
    found = machines.listed(engine().api, news["site"], news["pool"])
    return any(machine.running for machine in found) or bool(found and power.alive(engine(), found))


def template(news: Props) -> Props:
    """A pool's inputs without what is secret."""
    return {name: value for name, value in news.items() if name != "secrets"}


def _bundle_digest(olds: Props, news: Props) -> str:
    """Rendered only where something has changed: an `up` that changes nothing must not import what renders."""
    if olds.get("renderer") == source_digest("local") and _rendered_from(olds.get("template")) == _rendered_from(news):
        return str(olds["bundle_sha256"])
    from hashistack.local.blueprint import bundle

    return bundle(template(news)).sha256


def _rendered_from(news: Props | None) -> Props:
    return {name: value for name, value in (news or {}).items() if name not in ("count", "secrets")}


def _documents(news: Props) -> dict[str, bytes]:
    if news["pool"] != SERVER:
        return {"client": news["secrets"].encode()}
    from hashistack.machine.config.nomad import client_pools
    from hashistack.spec import ClusterSpec

    pools = client_pools(ClusterSpec.parse(json.loads(news["spec"])))
    return {SERVER: news["secrets"].encode(), "client-pools": pools.encode()}


def _outputs(news: Props, started: Sequence[str]) -> Props:
    endpoints: dict[str, list[str]] = {}
    if news["pool"] == SERVER:
        for slot in range(SLOTS):
            for product, port in ports(news["port_base"], slot).items():
                endpoints.setdefault(product, []).append(f"https://127.0.0.1:{port}")
    from hashistack.local.blueprint import bundle

    declared = template(news)
    return {
        "bundle_sha256": bundle(declared).sha256,
        "renderer": source_digest("local"),
        "template": declared,
        "started": list(started),
        "endpoints": endpoints,
    }
