"""LocalServerPool's and LocalClientPool's handler: N containers as one resource."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256

import docker
from docker.errors import NotFound

from hashistack.local import machines
from hashistack.local.docker_network import ports
from hashistack.local.machines import DOMAIN, Blueprint, Machine
from hashistack.local.site import engine, remove_containers
from hashistack.machine.bundle import SERVER, Binary, Bundle, render
from hashistack.machine.platform import Platform
from hashistack.machine.user_data import user_data
from hashistack.provider.handler import Context, Diff, Failure, Handler, Props, ResourceFailed, is_known
from hashistack.spec import ClusterSpec

SLOTS = 8
READY_SECONDS = 180.0


class PoolHandler(Handler):
    """Keeps as many machines as the pool wants, each from the pool's bundle.

    Inputs: site, labels, network, port_base, gateway, upstreams, image, tools, spec (JSON text), pool, count,
    secrets (the role document, secret). Outputs: bundle_sha256, machines (names), endpoints (servers: product to
    addresses on loopback).
    """

    def check(self, news: Props) -> list[Failure]:
        if is_known(news.get("count")) and news["count"] < 0:
            return [Failure("count", f"must be 0 or more (got {news['count']})")]
        return []

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        if olds["site"] != news["site"] or olds["pool"] != news["pool"]:
            return Diff(replace=("site",), delete_before_replace=True)
        if not is_known(news):
            return Diff(update=("bundle_sha256",))
        reasons = []
        bundle = _bundle(news).sha256
        if bundle != olds.get("bundle_sha256"):
            reasons.append("bundle_sha256")
        if news["count"] != olds["count"]:
            reasons.append("count")
        found = machines.listed(engine(), news["site"], news["pool"])
        digest = _digest(news)
        if not reasons and (
            len([m for m in found if m.running]) != news["count"] or any(m.bundle != bundle for m in found)
        ):
            reasons.append("machines")
        if any(machine.secrets != digest for machine in found) and olds.get("secrets") != news["secrets"]:
            reasons.append("secrets")
        return Diff(update=tuple(reasons))

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        return f"{news['site']}-{news['pool']}", self._converge(ctx, news, highest=0)

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        # A name is never used twice: Consul and Nomad remember the old machine for a while.
        highest = max((int(name.rsplit("-", 1)[1]) for name in olds.get("machines") or []), default=0)
        return self._converge(ctx, news, highest)

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        client = engine()
        found = client.api.containers(
            all=True,
            filters={"label": [f"hashistack.cluster={olds['site']}", f"hashistack.pool={olds['pool']}"]},
        )
        remove_containers(client, found)
        _remove_volume(client, f"{id}-secrets")

    def _converge(self, ctx: Context, news: Props, highest: int) -> Props:
        client = engine()
        plan = _blueprint(news)
        found = machines.listed(client, plan.site, plan.pool)
        stopped = [machine for machine in found if not machine.running]
        remove_containers(client, [{"Id": machine.id} for machine in stopped])
        found = [machine for machine in found if machine.running]
        if not found:
            _remove_volume(client, machines.volume(plan))  # what a failed try left: its Vault is gone too
        highest = max([highest, *(machine.number for machine in [*found, *stopped])])
        current = [machine for machine in found if machine.bundle == plan.bundle]
        outdated = [machine for machine in found if machine.bundle != plan.bundle]
        for machine in current[:1]:
            machines.put_secrets(client, machine.id, plan.secrets)
        fresh = max(0, news["count"] - len(found))
        self._start(ctx, client, plan, _names(plan, highest, fresh), _slots(found, fresh))
        for machine in outdated:
            highest += 1
            self._replace(ctx, client, plan, machine, f"{plan.pool}-{highest + fresh}")
        surplus = machines.listed(client, plan.site, plan.pool)[news["count"] :]
        remove_containers(client, [{"Id": machine.id} for machine in reversed(surplus)])
        return _outputs(client, plan)

    def _start(
        self, ctx: Context, client: docker.DockerClient, plan: Blueprint, names: list[str], slots: list[int]
    ) -> None:
        if not names:
            return
        ctx.progress(f"starting {len(names)} {plan.pool} machines")
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(lambda name, slot: machines.make(client, plan, name, slot), names, slots))

    def _replace(self, ctx: Context, client: docker.DockerClient, plan: Blueprint, old: Machine, name: str) -> None:
        """The new one in and well, before the old one goes."""
        taken = machines.listed(client, plan.site, plan.pool)
        ctx.progress(f"replacing {old.name} by {name}")
        container = machines.make(client, plan, name, _slots(taken, 1)[0])
        deadline = time.monotonic() + READY_SECONDS
        while not (said := machines.health(client, container))[0]:
            if ctx.cancelled.wait(0.5) or time.monotonic() > deadline:
                raise ResourceFailed(
                    f"{name} is not well: {json.dumps(said[1])}. {old.name} still runs. `pulumi up` goes on."
                )
        machines.run(client, old.id, ["/bin/sh", "-c", "sv -w 30 down /etc/service/nomad /etc/service/vault"])
        remove_containers(client, [{"Id": old.id}])


def _names(plan: Blueprint, highest: int, count: int) -> list[str]:
    return [f"{plan.pool}-{highest + 1 + number}" for number in range(count)]


def _slots(taken: list[Machine], count: int) -> list[int]:
    used = {machine.slot for machine in taken}
    return [slot for slot in range(SLOTS if count <= SLOTS else len(used) + count) if slot not in used][:count]


def _bundle(news: Props) -> Bundle:
    spec = ClusterSpec.parse(json.loads(news["spec"]))
    binaries = tuple(
        Binary(
            name,
            news["tools"][name]["version"],
            news["tools"][name]["sha256"],
            f"file://{_mounted(name, news)}",
        )
        for name in _needed(news["pool"])
    )
    return render(spec, news["pool"], _platform(news), binaries)


def _needed(pool: str) -> tuple[str, ...]:
    return ("consul", "nomad", "vault") if pool == SERVER else ("cni", "consul", "nomad")


def _mounted(name: str, news: Props) -> str:
    return f"/opt/hashistack/bin/{name}/{news['tools'][name]['sha256']}"


def _platform(news: Props) -> Platform:
    return Platform(
        name="local",
        join=(f"servers.{DOMAIN}",),
        # No names of servers that are not there: Docker asks the host's resolvers for those, and while it waits for
        # them, unbound counts it as dead. At least two servers of any cluster have these slots: a new one takes the
        # lowest. How many servers there are would make another bundle, and so replace them all.
        vault_join=tuple({"leader_api_addr": f"https://slot-{slot}.{DOMAIN}:8200"} for slot in range(3)),
        upstreams=tuple(news["upstreams"]),
        forward_zones={DOMAIN: ("127.0.0.11",)},
        operators=(f"{news['gateway']}/32",),
        task_root="/opt/hashistack/task-root",
    )


def _digest(news: Props) -> str:
    return sha256(news["secrets"].encode()).hexdigest()


def _blueprint(news: Props) -> Blueprint:
    bundle = _bundle(news)
    spec = ClusterSpec.parse(json.loads(news["spec"]))
    pool = news["pool"]
    role = SERVER if pool == SERVER else "client"
    digest = bundle.sha256
    return Blueprint(
        site=news["site"],
        labels=news["labels"],
        pool=pool,
        role=role,
        image=news["image"],
        network=news["site"],
        port_base=news["port_base"],
        bundle=digest,
        bundle_archive=bundle.archive,
        user_data=user_data(
            platform="local",
            cluster=news["site"],
            role=role,
            pool=pool,
            bundle_url=f"file:///{machines.bundle_path(digest)}",
            bundle_sha256=digest,
            servers=spec.servers.count,
            upgrade=next((spec.upgrade_of(found) for found in spec.clients if found.name == pool), spec.upgrade),
        ),
        secrets={role: news["secrets"].encode()},
        secrets_digest=_digest(news),
        mounts={news["tools"][name]["path"]: _mounted(name, news) for name in _needed(pool)},
    )


def _outputs(client: docker.DockerClient, plan: Blueprint) -> Props:
    found = machines.listed(client, plan.site, plan.pool)
    endpoints: dict[str, list[str]] = {}
    if plan.role == SERVER:
        for machine in sorted(found, key=lambda machine: machine.slot):
            for product, port in ports(plan.port_base, machine.slot).items():
                endpoints.setdefault(product, []).append(f"https://127.0.0.1:{port}")
    return {
        "bundle_sha256": plan.bundle,
        "machines": [machine.name for machine in found],
        "endpoints": endpoints,
    }


def _remove_volume(client: docker.DockerClient, name: str) -> None:
    with suppress(NotFound):
        client.api.remove_volume(name, force=True)
