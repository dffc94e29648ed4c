"""AwsCluster: a whole datacenter on AWS."""

from __future__ import annotations

from typing import Any

import pulumi

from hashistack.aws import account, checks, tags
from hashistack.aws.access.artifacts import AwsArtifacts, AwsArtifactsArgs
from hashistack.aws.access.identity import AwsIdentity, AwsIdentityArgs
from hashistack.aws.access.seal import AwsSeal, AwsSealArgs
from hashistack.aws.access.secrets import AwsSecrets, AwsSecretsArgs
from hashistack.aws.args import AwsClusterArgs
from hashistack.aws.network.api import AwsApi, AwsApiArgs
from hashistack.aws.network.dns import AwsDns, AwsDnsArgs
from hashistack.aws.network.endpoints import needed
from hashistack.aws.network.firewall import AwsFirewall, AwsFirewallArgs
from hashistack.aws.network.network import AwsNetwork, AwsNetworkArgs
from hashistack.aws.pools.boot import Boots
from hashistack.aws.pools.client_pool import AwsClientPool, AwsClientPoolArgs, AwsPoolOptions
from hashistack.aws.pools.images import OFFICIAL
from hashistack.aws.pools.launch import Launch, disks, made_of
from hashistack.aws.pools.server_pool import AwsServerPool, AwsServerPoolArgs
from hashistack.aws.provider import access
from hashistack.component.connection import DeclaredPool, connection
from hashistack.component.preflight import of_every_platform, refuse
from hashistack.component.resource import Specification
from hashistack.component.spec_input import parsed
from hashistack.machine.roles import SERVER, TOOLS
from hashistack.secrets.cluster import ClusterSecrets
from hashistack.spec.pool import ClientPool, ServerPool


class AwsCluster(pulumi.ComponentResource):
    """Servers, client pools, network, DNS, secrets and seal on AWS, from the specification that all providers take."""

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

    def __init__(self, name: str, args: AwsClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:AwsCluster", name, {}, opts)
        spec = parsed(args.spec)
        scope = account.scope(spec, args.vpc_id is not None, self)
        distribution = args.image if args.image in OFFICIAL else ""
        found = account.look(spec, scope.region, scope.account, args.vpc_id is not None, self)
        problems = checks.problems(spec, scope.region, args.tags, args.pools, args.vpc_id is None, distribution)
        if spec.to_look_at:
            found += of_every_platform(spec.model_dump_json())
        refuse(problems, found)
        first = Specification(f"{name}-specification", spec.model_dump_json(), pulumi.ResourceOptions(parent=self))
        child = pulumi.ResourceOptions(parent=self, depends_on=[first])
        own, closed = tags.of_cluster(scope.site, {**spec.tags, **args.tags}), spec.network.nat == "none"
        network = AwsNetwork(
            f"{name}-network",
            AwsNetworkArgs(
                network=spec.network,
                zones=spec.servers.zones,
                endpoints=needed(args.sessions) if args.endpoints or (closed and args.vpc_id is None) else (),
                flow_logs=args.flow_logs,
                permissions_boundary_arn=args.permissions_boundary_arn,
                vpc_id=args.vpc_id,
                private_subnet_ids=args.private_subnet_ids,
                route_table_ids=args.route_table_ids,
                tags=own,
            ),
            child,
        )
        vpc, dynamic = network.vpc_id, (spec.network.min_dynamic_port, spec.network.max_dynamic_port)
        firewall = AwsFirewall(
            f"{name}-firewall", AwsFirewallArgs(vpc, network.endpoints_security_group_id, *dynamic, own), child
        )
        groups = {"servers": firewall.servers_security_group_id, "clients": firewall.clients_security_group_id}
        entry = network.zone_subnet_ids
        sources = {**groups, **args.api_sources}
        api = AwsApi(
            f"{name}-api",
            AwsApiArgs(vpc, entry, groups["servers"], sources, args.api_source_cidrs, args.protect, own),
            child,
        )
        dns = AwsDns(f"{name}-dns", AwsDnsArgs(spec.dns, args.forward_dns, vpc, entry, groups["servers"], own), child)
        keys = ClusterSecrets(
            f"{name}-keys",
            spec,
            rotate_ca=args.rotate_ca,
            rotate_certificates=args.rotate_certificates,
            rotate_gossip=args.rotate_gossip,
            rotate_tokens=args.rotate_tokens,
            addresses=[api.dns_name],
            opts=child,
        )
        documents = AwsSecretsArgs(
            scope.site, keys.server_document, keys.client_document, args.kms_key_arn, args.protect, own
        )
        secrets = AwsSecrets(f"{name}-secrets", documents, child)
        seal = AwsSeal(f"{name}-seal", AwsSealArgs(scope, spec.seal.key, args.protect, own), child)
        # Of an image that is not known, it isn't known either whether it has a C library.
        static = args.image not in ("debian", "ubuntu")
        stored = AwsArtifactsArgs(spec, static, args.kms_key_arn, args.protect, own)
        artifacts = AwsArtifacts(f"{name}-artifacts", stored, child)
        identity = AwsIdentity(
            f"{name}-identity",
            AwsIdentityArgs(
                scope,
                pools=[pool.name for pool in spec.clients],
                bucket_arn=artifacts.bucket_arn,
                server_secret_arn=secrets.server_arn,
                client_secret_arn=secrets.client_arn,
                vault_init_arn=secrets.vault_init_arn,
                seal_key_arn=seal.key_arn,
                key_arns=[args.kms_key_arn] if args.kms_key_arn is not None else [],
                sessions=args.sessions,
                permissions_boundary_arn=args.permissions_boundary_arn,
                tags=own,
                csi=[pool.name for pool in spec.clients if pool.csi],
            ),
            child,
        )
        boots = Boots(spec, scope.site, scope.region, artifacts, secrets, seal, dns, network)

        def launch(name: str, group: pulumi.Output[str], pool: ServerPool | ClientPool) -> Launch:
            volumes = args.pools.get(name, AwsPoolOptions()).volumes
            mounted = disks(pool, volumes) if isinstance(pool, ClientPool) else {}
            boot = boots.of(name, pool.arch, made_of(args.image, pool, volumes), mounted)
            subnets, profile = network.subnet_ids_in(pool.zones), identity.profiles[name]
            return Launch(
                scope.site, [group], subnets, profile, boot.bundle, boot.user_data, args.image, args.kms_key_arn, own
            )

        # Machines that start before what they ask for is there would only ask again, and be late.
        after = pulumi.ResourceOptions(parent=self, depends_on=[first, artifacts, identity, secrets])
        targets = pulumi.Output.all(api.target_group_arns, dns.target_group_arns).apply(
            lambda both: [*both[0], *both[1]]
        )
        start = launch(SERVER, groups["servers"], spec.servers)
        servers = AwsServerPool(
            f"{name}-{SERVER}", AwsServerPoolArgs(spec.servers, spec.upgrade, start, targets), after
        )
        reached = access(self)
        template = _template(scope.region, reached, servers)
        declared = [DeclaredPool.of_servers(spec, start.bundle, template)]
        for pool in spec.clients:
            start, upgrade = launch(pool.name, groups["clients"], pool), spec.upgrade_of(pool)
            options = args.pools.get(pool.name, AwsPoolOptions())
            clients = AwsClientPool(
                f"{name}-{pool.name}",
                AwsClientPoolArgs(pool, upgrade, start, options, args.protect, servers=servers.made),
                after,
            )
            template = _template(scope.region, reached, clients)
            declared.append(DeclaredPool.of_clients(spec, pool, start.bundle, template))
        self.nomad_address, self.consul_address = api.addresses["nomad"], api.addresses["consul"]
        self.vault_address, self.ca_pem = api.addresses["vault"], keys.ca_pem
        self.connection = connection(
            cluster=pulumi.Output.from_input(scope.site),
            provider="aws",
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
    region: str, access: pulumi.Output[dict[str, Any]], pool: AwsServerPool | AwsClientPool
) -> pulumi.Output[dict[str, Any]]:
    """What a pool's machines are made from (the group that they are in, its launch template), and how AWS is asked."""
    made = pulumi.Output.all(access, pool.group, pool.template_id, pool.template_version)
    return made.apply(
        lambda it: {
            "region": region,
            **({"access": it[0]} if it[0] else {}),
            "group": it[1],
            "launch_template": {"id": it[2], "version": it[3]},
        }
    )
