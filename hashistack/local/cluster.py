"""LocalCluster: a whole datacenter in containers on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pulumi

from hashistack.component.connection import DeclaredPool, connection
from hashistack.component.preflight import of_every_platform, refuse
from hashistack.component.spec_input import parsed
from hashistack.local import checks
from hashistack.local.dns import LocalDns
from hashistack.local.publisher import declared
from hashistack.local.resources import (
    LocalApi,
    LocalArtifacts,
    LocalClientPool,
    LocalImage,
    LocalNetwork,
    LocalReady,
    LocalServerPool,
    LocalSite,
)
from hashistack.machine.roles import SERVER, TOOLS
from hashistack.secrets.cluster import ClusterSecrets

if TYPE_CHECKING:
    from hashistack.spec import ClusterSpec


@dataclass(frozen=True)
class LocalClusterArgs:
    """What a local cluster is made of.

    spec: the cluster, or the plain data of one, as a stack's configuration gives it. wait: `full` until a job was
    served (default), `servers` until the servers vote, `none`. timeout_seconds: how long to wait while nothing gets
    further (default 180); what moves is waited for up to ten times as long.
    rollout: `up` (default): a change of versions or configuration replaces the machines in the same `up`;
    `command`: `up` declares them, and `hashistack rollout` replaces the old ones.
    keep_on_failure: leave machines that did not become ready, to look at them. rotate_certificates, rotate_ca,
    rotate_gossip, rotate_tokens: any text; another one makes new ones on the next `up`, which the agents take up within
    a minute or two. An old CA is trusted, and old tokens work, until the rotation after.
    """

    spec: ClusterSpec | Mapping[str, Any]
    wait: Literal["full", "servers", "none"] = "full"
    timeout_seconds: float = 180.0
    rollout: Literal["up", "command"] = "up"
    keep_on_failure: bool = False
    rotate_certificates: str | None = None
    rotate_ca: str | None = None
    rotate_gossip: str | None = None
    rotate_tokens: str | None = None


class LocalCluster(pulumi.ComponentResource):
    """Servers, client pools, network, DNS and secrets as containers, from the specification that the clouds take.

    For development and CI: the vendor does not support Nomad clients in containers.
    """

    connection: pulumi.Output[str]
    """Everything that `hashistack` and product stacks need to reach the cluster, as JSON; secret."""
    nomad_address: pulumi.Output[str]
    """Where Nomad's API answers, `https://HOST:PORT`."""
    consul_address: pulumi.Output[str]
    """Where Consul's API answers."""
    vault_address: pulumi.Output[str]
    """Where Vault's API answers."""
    ca_pem: pulumi.Output[str]
    """The CA by which the APIs are trusted, PEM."""

    def __init__(self, name: str, args: LocalClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:LocalCluster", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        spec = parsed(args.spec)
        text, arch = spec.model_dump_json(), spec.servers.arch
        refuse(checks.problems(spec), of_every_platform(text) if spec.to_look_at else ())
        # Where Pulumi.yaml is; an inline program has none.
        project = pulumi.get_root_directory() or str(Path.cwd())
        site = LocalSite(f"{name}-site", spec.name, text, project, child)
        image = LocalImage(f"{name}-image", child)
        versions: dict[str, str] = {tool: spec.versions.of(tool) for tool in TOOLS}
        artifacts = LocalArtifacts(
            f"{name}-artifacts",
            versions=versions,
            digests={tool: spec.versions.digests(tool)[arch] for tool in TOOLS if spec.versions.digests(tool)},
            arch=arch,
            static=image.static,
            opts=child,
        )
        network = LocalNetwork(f"{name}-network", site, spec.network.cidr, child)
        secrets = ClusterSecrets(
            f"{name}-secrets",
            spec,
            rotate_ca=args.rotate_ca,
            rotate_certificates=args.rotate_certificates,
            rotate_gossip=args.rotate_gossip,
            rotate_tokens=args.rotate_tokens,
            opts=child,
        )
        api = LocalApi(
            f"{name}-api",
            site=site,
            network=network,
            image=image,
            ca_pem=secrets.ca_pem,
            region=spec.region,
            domain=spec.dns.domain,
            published=declared(json.loads(text)),
            opts=child,
        )
        dns = LocalDns(f"{name}-dns", spec.dns.upstreams, child)
        common: dict[str, Any] = {
            "spec": text,
            "site": site,
            "network": network,
            "image": image,
            "artifacts": artifacts,
            "dns": dns,
            "opts": child,
        }
        servers = LocalServerPool(
            f"{name}-{SERVER}",
            pool=SERVER,
            count=spec.servers.count,
            secrets=secrets.server_document,
            snapshots=str(Path(project, ".hashistack", "snapshots").absolute()),
            **common,
        )
        clients = [
            LocalClientPool(
                f"{name}-{pool.name}",
                pool=pool.name,
                count=pool.desired,
                secrets=secrets.client_document,
                **common,
            )
            for pool in spec.clients
        ]
        self.connection = connection(
            cluster=site.site,
            provider="local",
            datacenter=spec.datacenter,
            region=spec.region,
            versions=versions,
            secrets=secrets,
            addresses=api.addresses,
            servers=servers.endpoints,
            pools=[
                DeclaredPool.of_servers(spec, servers.bundle_sha256, servers.template),
                *(
                    DeclaredPool.of_clients(spec, pool, made.bundle_sha256, made.template)
                    for pool, made in zip(spec.clients, clients, strict=True)
                ),
            ],
        )
        ready = LocalReady(
            f"{name}-ready",
            site=site,
            connection=self.connection,
            pools=[servers, *clients],
            rollout=args.rollout,
            wait=args.wait,
            timeout=args.timeout_seconds,
            project=project,
            keep_on_failure=args.keep_on_failure,
            opts=child,
        )
        # An address is good only once somebody answers there.
        self.nomad_address = ready.addresses["nomad"]
        self.consul_address = ready.addresses["consul"]
        self.vault_address = ready.addresses["vault"]
        self.ca_pem = secrets.ca_pem
        self.register_outputs({"connection": self.connection, "ca_pem": self.ca_pem})
