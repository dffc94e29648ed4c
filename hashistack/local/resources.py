"""The resources of a local cluster, as a program declares them. Their handlers work in our provider plugin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from hashistack.local.dns import LocalDns
from hashistack.provider.resource import HashistackResource
from hashistack.toolchain.resources import Tools


class LocalSite(HashistackResource):
    """A cluster's place on this machine's Docker: an id of its own, and labels for everything that belongs to it.

    The first resource made and the last one removed; removing it sweeps whatever still carries its label.
    """

    resource_type = "hashistack:index:LocalSite"
    outputs = ("site", "labels")

    site: pulumi.Output[str]
    """The id: the cluster's name and four hex digits."""
    labels: pulumi.Output[dict[str, str]]
    """The labels of every container, network and volume of the cluster."""

    def __init__(
        self, name: str, cluster: str, spec: str, project: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, {"name": cluster, "spec": spec, "project": project}, opts)


class LocalImage(HashistackResource):
    """The machine image, in this machine's Docker. Belongs to no cluster: destroy leaves it."""

    resource_type = "hashistack:index:LocalImage"
    outputs = ("image", "static")

    image: pulumi.Output[str]
    """The image's tag."""
    static: pulumi.Output[bool]
    """Whether only static binaries run in it (Alpine has no glibc)."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {}, opts)


class LocalArtifacts(Tools):
    """The pinned binaries, in this machine's cache; machines mount them read-only."""

    resource_type = "hashistack:index:LocalArtifacts"


class LocalNetwork(HashistackResource):
    """A bridge network of the cluster's own, with a subnet and a block of loopback ports that nobody else has."""

    resource_type = "hashistack:index:LocalNetwork"
    outputs = ("network", "cidr", "gateway", "port_base")

    network: pulumi.Output[str]
    """Docker's id of the network."""
    gateway: pulumi.Output[str]
    """The address from which the laptop's own requests come."""
    port_base: pulumi.Output[int]
    """The first of the cluster's ports on loopback."""

    def __init__(
        self, name: str, site: LocalSite, cidr: str | None = None, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, {"site": site.site, "labels": site.labels, "cidr": cidr}, opts)
        self.cidr: pulumi.Output[str]


class LocalApi(HashistackResource):
    """One address for the APIs of the servers, whichever servers there are: a proxy that passes TLS through.

    Beside it a resolver for the host, and what leads to pools' ports. ``region`` is Nomad's, which the servers'
    certificates name; ``domain`` Consul's; ``published`` a pool to the ports of it that loopback has (`port`, `host`).
    """

    resource_type = "hashistack:index:LocalApi"
    outputs = ("addresses", "dns")

    dns: pulumi.Output[str]
    """Where the host is answered for names of the domain: address and port on loopback, UDP and TCP."""

    addresses: pulumi.Output[dict[str, str]]
    """Product to the address of its API on loopback; Vault's leads to the active one."""

    def __init__(
        self,
        name: str,
        *,
        site: LocalSite,
        network: LocalNetwork,
        image: LocalImage,
        ca_pem: pulumi.Input[str],
        region: str,
        domain: str,
        published: Mapping[str, Sequence[Mapping[str, int]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "site": site.site,
            "labels": site.labels,
            "network": network.network,
            "cidr": network.cidr,
            "gateway": network.gateway,
            "port_base": network.port_base,
            "image": image.image,
            "ca_pem": ca_pem,
            "region": region,
            "domain": domain,
            "published": dict(published),
        }
        super().__init__(name, inputs, opts)


class _LocalPool(HashistackResource):
    outputs = ("bundle_sha256", "template", "started", "endpoints")

    bundle_sha256: pulumi.Output[str]
    """The digest of the pool's bundle: another digest, other machines."""
    template: pulumi.Output[dict[str, Any]]
    """What a machine of the pool is made from: the inputs without secrets."""
    started: pulumi.Output[list[str]]
    """The machines that the resource itself started last: the pool's first ones, or all after all were lost."""
    endpoints: pulumi.Output[dict[str, list[str]]]
    """Product to each server's own address, on loopback: every place that one may take; servers only."""

    def __init__(
        self,
        name: str,
        *,
        pool: str,
        count: int,
        spec: str,
        site: LocalSite,
        network: LocalNetwork,
        image: LocalImage,
        artifacts: LocalArtifacts,
        dns: LocalDns,
        secrets: pulumi.Input[str],
        snapshots: str = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "pool": pool,
            "count": count,
            "spec": spec,
            "site": site.site,
            "labels": site.labels,
            "network": network.network,
            "port_base": network.port_base,
            "cidr": network.cidr,
            "gateway": network.gateway,
            "image": image.image,
            "tools": artifacts.tools,
            "upstreams": dns.upstreams,
            "snapshots": snapshots,
            "secrets": pulumi.Output.secret(secrets),
        }
        super().__init__(name, inputs, opts)


class LocalServerPool(_LocalPool):
    """The servers: containers that each run Nomad, Consul and Vault as a voter. One resource, however many.

    ``spec`` is the cluster's specification as JSON text, ``secrets`` the servers' role document, ``snapshots`` the
    directory of this machine that they put snapshots into.
    """

    resource_type = "hashistack:index:LocalServerPool"


class LocalClientPool(_LocalPool):
    """A pool of Nomad clients as containers. One resource, however many.

    ``spec`` is the cluster's specification as JSON text, ``secrets`` the clients' role document.
    """

    resource_type = "hashistack:index:LocalClientPool"


class LocalReady(HashistackResource):
    """Brings the machines to what the pools declare, then waits until the cluster is usable.

    Usable: voters in all three, clients ready, DNS on every machine, one job served. ``rollout``: ``up`` replaces
    machines of another bundle too, ``command`` leaves those to `hashistack rollout`.
    """

    resource_type = "hashistack:index:LocalReady"
    outputs = ("addresses",)

    addresses: pulumi.Output[dict[str, str]]
    """Product to the address of its API, once somebody answers there."""

    def __init__(
        self,
        name: str,
        *,
        site: LocalSite,
        connection: pulumi.Input[str],
        pools: Sequence[LocalServerPool | LocalClientPool],
        rollout: str,
        wait: str,
        timeout: float,
        project: str,
        keep_on_failure: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "site": site.site,
            "connection": pulumi.Output.secret(connection),
            # Machines that a pool has started are waited for, also where nothing else has changed.
            "started": [pool.started for pool in pools],
            "rollout": rollout,
            "wait": wait,
            "timeout": timeout,
            "project": project,
            "keep_on_failure": keep_on_failure,
        }
        super().__init__(name, inputs, opts)
