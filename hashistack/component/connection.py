"""The stack's one secret output `connection`, as every platform's component gives it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pulumi

from hashistack.machine.roles import SERVER
from hashistack.ops.api.connection import Connection, Endpoint, Pool
from hashistack.ops.api.policy import Policy
from hashistack.provider.outputs import together
from hashistack.secrets.cluster import ClusterSecrets

if TYPE_CHECKING:
    from hashistack.spec import ClientPool, ClusterSpec


@dataclass(frozen=True)
class DeclaredPool:
    """A pool as it is declared: what a rollout compares with the machines that there are.

    bundle: the digest of what its machines boot from. template: what the platform makes one from. node_pool, drivers:
    Nomad's, of its clients. settings: the user's own, as `own_settings` gives them.
    """

    name: str
    role: Literal["server", "client"]
    count: int
    policy: Policy
    bundle: pulumi.Input[str]
    template: pulumi.Output[dict[str, Any]]
    node_pool: str = "default"
    drivers: Sequence[str] = ()
    settings: Mapping[str, Any] = field(kw_only=True)

    @classmethod
    def of_servers(
        cls, spec: ClusterSpec, bundle: pulumi.Input[str], template: pulumi.Output[dict[str, Any]]
    ) -> DeclaredPool:
        """The servers of a specification."""
        from hashistack.spec import own_settings

        pool, policy = spec.servers, Policy.of(spec.upgrade)
        return cls(SERVER, "server", pool.count, policy, bundle, template, settings=own_settings.of(pool))

    @classmethod
    def of_clients(
        cls,
        spec: ClusterSpec,
        pool: ClientPool,
        bundle: pulumi.Input[str],
        template: pulumi.Output[dict[str, Any]],
    ) -> DeclaredPool:
        """A pool of clients of a specification."""
        from hashistack.spec import own_settings

        return cls(
            pool.name,
            "client",
            pool.desired,
            Policy.of(spec.upgrade_of(pool)),
            bundle,
            template,
            pool.node_pool,
            pool.drivers,
            settings=own_settings.of(pool),
        )


def connection(
    *,
    cluster: pulumi.Output[str],
    provider: str,
    datacenter: str,
    region: str,
    versions: Mapping[str, str],
    secrets: ClusterSecrets,
    addresses: pulumi.Output[dict[str, str]],
    servers: pulumi.Output[dict[str, list[str]]] | None = None,
    pools: Sequence[DeclaredPool],
) -> pulumi.Output[str]:
    """The output's text, for `Connection.parse`.

    Args:
        cluster: its id. provider: the platform. region: Nomad's.
        addresses: product to the address of its API.
        servers: product to the servers' own addresses, where they can be reached one by one.
    """

    def text(known: Sequence[Any]) -> str:
        cluster, certificates, keys, ids, addresses, servers, *made = known

        def endpoint(product: str, secret: str, username: str = "") -> Endpoint:
            return Endpoint(addresses[product], ids[secret], username, tuple(servers.get(product, ())))

        return Connection(
            name=cluster,
            provider=provider,
            datacenter=datacenter,
            region=region,
            ca_pem=certificates["ca"],
            operator_cert_pem=certificates["operator"],
            operator_key_pem=keys["operator"],
            nomad=endpoint("nomad", "nomad_management"),
            consul=endpoint("consul", "consul_management"),
            vault=endpoint("vault", "vault_operator_password", "operator"),
            pools=tuple(
                Pool(
                    pool.name,
                    pool.role,
                    pool.count,
                    bundle,
                    pool.policy,
                    template,
                    pool.node_pool,
                    tuple(pool.drivers),
                    pool.settings,
                )
                for pool, bundle, template in zip(pools, made[::2], made[1::2], strict=True)
            ),
            versions=versions,
        ).text()

    made: list[pulumi.Output[Any]] = [
        output for pool in pools for output in (pulumi.Output.from_input(pool.bundle), pool.template)
    ]
    each = servers if servers is not None else pulumi.Output.from_input({})
    return pulumi.Output.secret(
        together(cluster, secrets.certificates, secrets.keys, secrets.ids, addresses, each, *made).apply(text)
    )
