"""Containers as a rollout's machines: what the local platform can do with a pool."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

import docker
from docker.errors import NotFound

from hashistack.local import evidence, front, machines, power, secret_store
from hashistack.local.blueprint import Blueprint, blueprint
from hashistack.local.docker_client import asking, engine
from hashistack.local.machines import STAY, Machine
from hashistack.local.proxy import proxy
from hashistack.local.publisher import declared, publisher
from hashistack.local.removal import remove_containers
from hashistack.local.resolver import resolver
from hashistack.ops.api.connection import Connection, Pool
from hashistack.ops.rollout.driver import DriverFailed, Instance
from hashistack.ops.snapshots import key_wrap
from hashistack.provider.handler import ResourceFailed


class LocalDriver:
    """The machines of one local cluster, by the labels of its containers. See `ops.driver.PoolDriver`."""

    boot_seconds = 240.0
    """On a busy machine a Vault that joins takes the longest."""
    leave_seconds = 90.0

    def __init__(self, connection: Connection, client: docker.DockerClient | None = None) -> None:
        self._connection, self._client = connection, client or engine()

    @asking()
    def instances(self) -> tuple[Instance, ...]:
        now = time.time()
        return tuple(
            Instance(one.name, one.pool, one.bundle, power.life(self._client, one), now - one.created)
            for one in self._listed()
        )

    def size(self, pool: Pool) -> int:
        return pool.count

    def check(self, pool: str) -> None:
        self._blueprint(pool)

    @asking()
    def ensure_api(self) -> None:
        servers = next(pool for pool in self._connection.pools if pool.role == "server")
        if "cidr" not in servers.template:
            return  # made by a release that had no proxy: the next `up` makes one
        template = dict(servers.template)
        spec = json.loads(template["spec"])
        plan = proxy(template, self._connection.ca_pem, self._connection.region)
        others = [resolver(template, spec["dns"]["domain"]), *publisher(template, declared(spec))]
        front.ensure(self._client, [plan, *others])

    @asking()
    def grow(self, pool: str, count: int) -> tuple[str, ...]:
        names = machines.fresh_names(pool, count)
        try:
            machines.start(self._client, self._blueprint(pool), names)
        except ResourceFailed as error:
            raise DriverFailed(error.what, error.remedy) from error
        return names

    @property
    def cannot_stop(self) -> str:
        return ""

    @asking()
    def start(self, names: Sequence[str]) -> None:
        try:
            power.start(self._client, self._connection.name, self._named(names))
        except ResourceFailed as error:
            raise DriverFailed(error.what, error.remedy) from error

    @asking()
    def stop(self, names: Sequence[str]) -> None:
        try:
            power.stop(self._client, self._named(names))
        except ResourceFailed as error:
            raise DriverFailed(error.what, error.remedy) from error
        if not any(machine.running for machine in self._listed()):
            front.stop(self._client, self._connection.name)

    @asking()
    def terminate(self, names: Sequence[str]) -> None:
        for machine in self._named(names):
            with suppress(NotFound):
                self._client.api.update_container(machine.id, restart_policy=STAY)
                if machine.running:
                    self._client.api.kill(machine.id, "PWR")

    @asking()
    def discard(self, names: Sequence[str]) -> None:
        remove_containers(self._client, [{"Id": machine.id} for machine in self._named(names)])

    @asking()
    def vault_init(self) -> str:
        return secret_store.read(self._connection.name, secret_store.VAULT_INIT)

    @asking()
    def keep_vault_init(self, document: str) -> None:
        secret_store.write(self._connection.name, secret_store.VAULT_INIT, document)
        self.close_vault_init()

    def close_vault_init(self) -> None:
        """Leave Vault's key closed in the servers' secret store, for the snapshots that they take.

        The one that is there stays as long as it opens with the stack's secret, which a rotation changes.
        """
        site = self._connection.name
        key = secret_store.read(site, secret_store.VAULT_INIT)
        closed = secret_store.read(site, secret_store.VAULT_INIT_CLOSED)
        if key and not key_wrap.opens(closed, key, self._connection):
            secret_store.write(site, secret_store.VAULT_INIT_CLOSED, key_wrap.close(key, self._connection))

    def evidence(self, name: str) -> str:
        try:
            with asking():
                return "\n".join(evidence.evidence(self._client, machine.id) for machine in self._named([name]))
        except DriverFailed as error:
            return f"{name}: its log can't be read: {error.what}"  # a failed rollout has its own reason to tell

    def _blueprint(self, pool: str) -> Blueprint:
        declared = next(one for one in self._connection.pools if one.name == pool)
        made = "machines of another kind"
        if declared.template:
            plan = blueprint(dict(declared.template))
            if plan.bundle == declared.bundle:
                return plan
            made = f"bundle {plan.bundle[:12]} of what the stack declares, which is {declared.bundle[:12]}"
        raise DriverFailed(
            f"{pool}: this release of hashistack makes {made}",
            "pulumi up (or hashistack up), so that the stack declares it anew",
        )

    def _listed(self) -> list[Machine]:
        return machines.listed(self._client.api, self._connection.name)

    def _named(self, names: Iterable[str]) -> list[Machine]:
        wanted = set(names)
        return [machine for machine in self._listed() if machine.name in wanted]
