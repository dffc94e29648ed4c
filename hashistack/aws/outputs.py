"""What a cluster's stack gives out: the connection, which `hashistack` and product stacks read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from hashistack.aws.pools.client_pool import AwsClientPool
from hashistack.aws.pools.server_pool import AwsServerPool
from hashistack.machine.roles import TOOLS
from hashistack.ops.api.policy import Policy
from hashistack.secrets.cluster import ClusterSecrets
from hashistack.spec import ClusterSpec
from hashistack.spec.policy import UpgradePolicy
from hashistack.spec.ports import CONSUL_HTTPS, NOMAD_HTTP, VAULT_API


@dataclass(frozen=True)
class Declared:
    """A pool as it is declared: what the rollout compares with the machines that there are."""

    name: str
    role: str
    count: int
    upgrade: UpgradePolicy
    bundle: pulumi.Input[str]
    made: AwsServerPool | AwsClientPool


def addresses(dns_name: pulumi.Input[str]) -> dict[str, pulumi.Output[str]]:
    """Product to the address of its API at the load balancer."""
    ports = {"nomad": NOMAD_HTTP, "consul": CONSUL_HTTPS, "vault": VAULT_API}
    return {product: pulumi.Output.concat("https://", dns_name, f":{port.number}") for product, port in ports.items()}


def connection(
    spec: ClusterSpec,
    site: str,
    region: str,
    endpoints: Mapping[str, pulumi.Input[str]],
    keys: ClusterSecrets,
    pools: Sequence[Declared],
) -> pulumi.Output[str]:
    """The stack's one secret output, as JSON. A pool's template says the group that its machines are in."""
    found: Mapping[str, Any] = {
        "name": site,
        "provider": "aws",
        "datacenter": spec.datacenter,
        "region": spec.region,
        "versions": {product: spec.versions.of(product) for product in TOOLS},
        "ca_pem": keys.ca_pem,
        "operator_cert_pem": keys.operator_cert_pem,
        "operator_key_pem": keys.operator_key_pem,
        "nomad": {"addresses": [endpoints["nomad"]], "token": keys.ids["nomad_management"]},
        "consul": {"addresses": [endpoints["consul"]], "token": keys.ids["consul_management"]},
        "vault": {
            "addresses": [endpoints["vault"]],
            "username": "operator",
            "password": keys.ids["vault_operator_password"],
        },
        "pools": [
            {
                "name": pool.name,
                "role": pool.role,
                "count": pool.count,
                "bundle": pool.bundle,
                "policy": vars(Policy.of(pool.upgrade)),
                "template": {
                    "region": region,
                    "group": pool.made.group,
                    "launch_template": {"id": pool.made.template_id, "version": pool.made.template_version},
                },
            }
            for pool in pools
        ],
    }
    return pulumi.Output.secret(pulumi.Output.json_dumps(found, sort_keys=True))
