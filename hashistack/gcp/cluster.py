"""GcpCluster: a whole datacenter on Google Cloud."""

from __future__ import annotations

from typing import Any, Final

import pulumi

from hashistack.component.connection import DeclaredPool, connection
from hashistack.component.preflight import of_every_platform, preflight, refuse
from hashistack.component.resource import Specification
from hashistack.component.spec_input import parsed
from hashistack.gcp import checks, labels, names
from hashistack.gcp.access.artifacts import GcpArtifacts, GcpArtifactsArgs
from hashistack.gcp.access.identity import GcpIdentity, GcpIdentityArgs, Reach
from hashistack.gcp.access.seal import GcpSeal, GcpSealArgs
from hashistack.gcp.access.secrets import GcpSecrets, GcpSecretsArgs
from hashistack.gcp.args import GcpClusterArgs
from hashistack.gcp.cluster_id import Scope, scope
from hashistack.gcp.network.api import GcpApi, GcpApiArgs
from hashistack.gcp.network.dns import GcpDns, GcpDnsArgs
from hashistack.gcp.network.firewall import GcpFirewall, GcpFirewallArgs
from hashistack.gcp.network.network import GcpNetwork, GcpNetworkArgs
from hashistack.gcp.pools.boot import Boots
from hashistack.gcp.pools.client_pool import GcpClientPool, GcpClientPoolArgs, GcpPoolOptions
from hashistack.gcp.pools.images import OFFICIAL
from hashistack.gcp.pools.launch import Launch, made_of, mounted
from hashistack.gcp.pools.server_pool import GcpServerPool, GcpServerPoolArgs
from hashistack.machine.roles import SERVER, TOOLS
from hashistack.secrets.cluster import ClusterSecrets
from hashistack.spec.pool import ClientPool, ServerPool

PREFLIGHT: Final = "hashistack:index:gcpPreflight"


class GcpCluster(pulumi.ComponentResource):
    """Servers, client pools, network, DNS, secrets and seal on Google Cloud, from the specification that all providers
    take."""

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
    bundles: pulumi.Output[dict[str, str]]
    """Pool to the digest that its machines are to boot from."""

    def __init__(self, name: str, args: GcpClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpCluster", name, {}, opts)
        spec = checks.fitted(parsed(args.spec))
        here = scope(spec.name, self)
        distribution = args.image if args.image in OFFICIAL else ""
        images_of = OFFICIAL[distribution].project if distribution else ""
        found = checks.problems(spec, here.region, args.tags, args.pools, args.network_id is None, distribution)
        unfit = preflight(PREFLIGHT, {"spec": spec.model_dump_json(), "project": here.project, "region": here.region,
                                      "site": here.site, "forward_dns": args.forward_dns,
                                      "image_project": images_of})  # fmt: skip
        if spec.to_look_at:
            unfit += of_every_platform(spec.model_dump_json())
        refuse((*names.problems(name), *found), unfit)
        first = Specification(f"{name}-specification", spec.model_dump_json(), pulumi.ResourceOptions(parent=self))
        child = pulumi.ResourceOptions(parent=self, depends_on=[first])
        own = {**spec.tags, **args.tags}
        network = GcpNetwork(
            f"{name}-network",
            GcpNetworkArgs(
                here.region, spec.network, spec.servers.zones, args.flow_logs, args.network_id, args.subnetwork_id
            ),
            child,
        )
        identity = GcpIdentity(f"{name}-identity", GcpIdentityArgs(here, [pool.name for pool in spec.clients]), child)
        GcpFirewall(
            f"{name}-firewall",
            GcpFirewallArgs(
                network.network_id,
                {
                    "server": [identity.emails[SERVER]],
                    "client": [email for pool, email in identity.emails.items() if pool != SERVER],
                },
                spec.network.min_dynamic_port,
                spec.network.max_dynamic_port,
                args.iap,
                args.api_sources,
                tuple(args.api_source_cidrs),
                args.forward_dns,
            ),
            child,
        )
        api = GcpApi(
            f"{name}-api", GcpApiArgs(here, network.network_id, network.subnetwork_id, own, args.forward_dns), child
        )
        asked = GcpDnsArgs(
            spec.dns, args.forward_dns, network.network_id, api.address, labels.of_cluster(here.site, own)
        )
        dns = GcpDns(f"{name}-dns", asked, child)
        keys = ClusterSecrets(
            f"{name}-keys",
            spec,
            rotate_ca=args.rotate_ca,
            rotate_certificates=args.rotate_certificates,
            rotate_gossip=args.rotate_gossip,
            rotate_tokens=args.rotate_tokens,
            addresses=[api.address],
            opts=child,
        )
        documents = GcpSecretsArgs(here, keys.server_document, keys.client_document, args.kms_key, args.protect, own)
        secrets = GcpSecrets(f"{name}-secrets", documents, child)
        seal = GcpSeal(f"{name}-seal", GcpSealArgs(here, spec.seal.key, args.protect, own), child)
        # Of an image that is not known, it isn't known either whether it has a C library.
        stored = GcpArtifactsArgs(here, spec, not distribution, args.kms_key, args.protect, own)
        artifacts = GcpArtifacts(f"{name}-artifacts", stored, child)
        rights = identity.may_reach(
            Reach(artifacts.bucket, secrets.server_id, secrets.client_id, secrets.vault_init_id, seal.key)
        )
        boots = Boots(spec, here, artifacts, secrets, seal, dns, network)

        def launch(pool: ServerPool | ClientPool) -> Launch:
            pool_name = pool.name if isinstance(pool, ClientPool) else SERVER
            disks = args.pools.get(pool_name, GcpPoolOptions()).disks
            volumes = mounted(pool, disks) if isinstance(pool, ClientPool) else {}
            made = made_of(args.image, pool, disks)
            boot = boots.of(pool_name, pool.arch, made, args.api_source_cidrs, volumes)
            return Launch(
                here.site,
                network.subnetwork_id,
                pool.zones or network.zones,
                identity.emails[pool_name],
                boot.bundle,
                boot.user_data,
                args.image,
                args.kms_key,
                own,
            )

        # Machines that start before what they ask for is there would only ask again, and be late.
        after = pulumi.ResourceOptions(parent=self, depends_on=[first, artifacts, secrets, *rights])
        start = launch(spec.servers)
        servers = GcpServerPool(names.resource(name, SERVER), GcpServerPoolArgs(spec.servers, start), after)
        api.lead_to(servers.instance_group)
        declared = [DeclaredPool.of_servers(spec, start.bundle, _template(here, servers))]
        for pool in spec.clients:
            start, options = launch(pool), args.pools.get(pool.name, GcpPoolOptions())
            made = GcpClientPoolArgs(pool, start, options, servers.made)
            clients = GcpClientPool(names.resource(name, pool.name), made, after)
            template = _template(here, clients, pool.max)
            declared.append(DeclaredPool.of_clients(spec, pool, start.bundle, template))
        self.nomad_address, self.consul_address = api.addresses["nomad"], api.addresses["consul"]
        self.vault_address, self.ca_pem = api.addresses["vault"], keys.ca_pem
        self.connection = connection(
            cluster=pulumi.Output.from_input(here.site),
            provider="gcp",
            datacenter=spec.datacenter,
            region=spec.region,
            versions={product: spec.versions.of(product) for product in TOOLS},
            secrets=keys,
            addresses=api.addresses,
            pools=declared,
        )
        self.bundles = pulumi.Output.all(**{pool.name: pool.bundle for pool in declared})
        self.register_outputs({"connection": self.connection, "ca_pem": self.ca_pem, "bundles": self.bundles})


def _template(
    here: Scope, pool: GcpServerPool | GcpClientPool, most: int | None = None
) -> pulumi.Output[dict[str, Any]]:
    """What a pool's machines are made from: the group that they are in, and its instance template. `most`: how many
    autoscaling may make, which the group itself does not know."""
    of = {"project": here.project, "region": here.region, **({} if most is None else {"max": most})}
    made = pulumi.Output.all(pool.group, pool.template)
    return made.apply(lambda it: {**of, "group": it[0], "instance_template": it[1]})
