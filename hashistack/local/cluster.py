"""LocalCluster: a whole datacenter in containers on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pulumi

from hashistack.local.dns import LocalDns
from hashistack.local.resources import (
    LocalArtifacts,
    LocalClientPool,
    LocalImage,
    LocalNetwork,
    LocalReady,
    LocalServerPool,
    LocalSite,
)
from hashistack.machine.roles import SERVER
from hashistack.provider.early import plugin_starts
from hashistack.provider.outputs import together
from hashistack.secrets.cluster import ClusterSecrets

if TYPE_CHECKING:
    from hashistack.spec import ClusterSpec
    from hashistack.spec.catalog import Product

TOOLS: tuple[Product, ...] = ("cni", "consul", "nomad", "vault")


@dataclass(frozen=True)
class LocalClusterArgs:
    """What a local cluster is made of.

    spec: the cluster, or the plain data of one, as a stack's configuration gives it. wait: ``full`` until a job was
    served (default), ``servers`` until the servers vote, ``none``. timeout_seconds: how long to wait.
    rollout: ``up`` (default): a change of versions or configuration replaces the machines in the same `up`;
    ``command``: `up` declares them, and `hashistack rollout` replaces the old ones.
    keep_on_failure: leave machines that did not become ready, to look at them. rotate_certificates, rotate_ca: any
    text; another one makes new ones on the next `up`, which the agents load within a minute. An old CA is trusted
    until the rotation after it.
    """

    spec: ClusterSpec | Mapping[str, Any]
    wait: Literal["full", "servers", "none"] = "full"
    timeout_seconds: float = 180.0
    rollout: Literal["up", "command"] = "up"
    keep_on_failure: bool = False
    rotate_certificates: str | None = None
    rotate_ca: str | None = None


class LocalCluster(pulumi.ComponentResource):
    """Servers, client pools, network, DNS and secrets as containers, from the specification that the clouds take.

    For development and CI: the vendor does not support Nomad clients in containers.
    """

    connection: pulumi.Output[str]
    """Everything that `hashistack` and product stacks need to reach the cluster, as JSON; secret."""
    nomad_address: pulumi.Output[str]
    consul_address: pulumi.Output[str]
    vault_address: pulumi.Output[str]
    ca_pem: pulumi.Output[str]

    def __init__(self, name: str, args: LocalClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:LocalCluster", name, {}, opts)
        with plugin_starts():
            from hashistack.spec import Versions, warnings

        spec, child = _parsed(args.spec), pulumi.ResourceOptions(parent=self)
        if spec.versions != Versions():  # the defaults are the newest there is
            for problem in warnings(spec):
                pulumi.log.warn(str(problem), self)
        text = spec.model_dump_json()
        # Where Pulumi.yaml is; an inline program has none.
        project = pulumi.get_root_directory() or str(Path.cwd())
        site = LocalSite(f"{name}-site", spec.name, text, project, child)
        image = LocalImage(f"{name}-image", child)
        arch = spec.servers.arch
        artifacts = LocalArtifacts(
            f"{name}-artifacts",
            versions={tool: spec.versions.of(tool) for tool in TOOLS},
            digests={tool: spec.versions.digests(tool)[arch] for tool in TOOLS if spec.versions.digests(tool)},
            arch=arch,
            static=image.static,
            opts=child,
        )
        network = LocalNetwork(f"{name}-network", site, spec.network.cidr, child)
        secrets = ClusterSecrets(
            f"{name}-secrets", spec, rotate_ca=args.rotate_ca, rotate_certificates=args.rotate_certificates, opts=child
        )
        dns = LocalDns(f"{name}-dns", spec.dns, child)
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
        pools: list[LocalServerPool | LocalClientPool] = [servers, *clients]
        self.connection = pulumi.Output.secret(_connection(spec, site, pools, secrets))
        ready = LocalReady(
            f"{name}-ready",
            site=site,
            connection=self.connection,
            pools=pools,
            rollout=args.rollout,
            wait=args.wait,
            timeout=args.timeout_seconds,
            project=project,
            keep_on_failure=args.keep_on_failure,
            opts=child,
        )
        # An address is good only once somebody answers there.
        self.nomad_address = ready.endpoints["nomad"][0]
        self.consul_address = ready.endpoints["consul"][0]
        self.vault_address = ready.endpoints["vault"][0]
        self.ca_pem = secrets.ca_pem
        self.register_outputs({"connection": self.connection, "ca_pem": self.ca_pem})


def _parsed(spec: ClusterSpec | Mapping[str, Any]) -> ClusterSpec:
    from hashistack.spec import ClusterSpec, SpecError

    try:
        return spec if isinstance(spec, ClusterSpec) else ClusterSpec.parse(spec)
    except SpecError as error:
        # The one exception that every language host shows without a traceback.
        raise pulumi.RunError(str(error)) from error


def _connection(
    spec: ClusterSpec, site: LocalSite, pools: Sequence[LocalServerPool | LocalClientPool], secrets: ClusterSecrets
) -> pulumi.Output[str]:
    from hashistack.ops.policy import Policy

    declared = [(SERVER, SERVER, spec.servers.count, spec.upgrade)]
    declared += [(pool.name, "client", pool.desired, spec.upgrade_of(pool)) for pool in spec.clients]

    def connection(known: Sequence[Any]) -> str:
        site_id, certificates, keys, ids, endpoints, *made = known
        told = {
            "name": site_id,
            "provider": "local",
            "datacenter": spec.datacenter,
            "region": spec.region,
            "versions": {product: spec.versions.of(product) for product in TOOLS},
            "ca_pem": certificates["ca"],
            "operator_cert_pem": certificates["operator"],
            "operator_key_pem": keys["operator"],
            "nomad": {"addresses": endpoints["nomad"], "token": ids["nomad_management"]},
            "consul": {"addresses": endpoints["consul"], "token": ids["consul_management"]},
            "vault": {
                "addresses": endpoints["vault"],
                "username": "operator",
                "password": ids["vault_operator_password"],
            },
            "pools": [
                {
                    "name": name,
                    "role": role,
                    "count": count,
                    "bundle": bundle,
                    "policy": vars(Policy.of(upgrade)),
                    "template": template,
                }
                for (name, role, count, upgrade), bundle, template in zip(declared, made[::2], made[1::2], strict=True)
            ],
        }
        return json.dumps(told, sort_keys=True)

    made = [output for pool in pools for output in (pool.bundle_sha256, pool.template)]
    endpoints = pools[0].endpoints
    return together(site.site, secrets.certificates, secrets.keys, secrets.ids, endpoints, *made).apply(connection)
