"""A cluster on AWS: Auto Scaling groups of EC2 instances, from the specification that every provider takes.

Importing this loads neither pulumi_aws nor boto3: each name is imported from its module when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashistack.lazy import lazily

if TYPE_CHECKING:
    from hashistack.aws.access.artifacts import AwsArtifacts, AwsArtifactsArgs
    from hashistack.aws.access.identity import AwsIdentity, AwsIdentityArgs
    from hashistack.aws.access.policies import Scope
    from hashistack.aws.access.seal import AwsSeal, AwsSealArgs
    from hashistack.aws.access.secrets import AwsSecrets, AwsSecretsArgs
    from hashistack.aws.args import AwsClusterArgs
    from hashistack.aws.cluster import AwsCluster
    from hashistack.aws.network.api import AwsApi, AwsApiArgs
    from hashistack.aws.network.dns import AwsDns, AwsDnsArgs
    from hashistack.aws.network.firewall import AwsFirewall, AwsFirewallArgs
    from hashistack.aws.network.network import AwsNetwork, AwsNetworkArgs
    from hashistack.aws.pools.client_pool import AwsClientPool, AwsClientPoolArgs, AwsPoolOptions, WarmPool
    from hashistack.aws.pools.launch import Launch, Volume
    from hashistack.aws.pools.server_pool import AwsServerPool, AwsServerPoolArgs

_MODULES = {
    "AwsApi": "hashistack.aws.network.api",
    "AwsApiArgs": "hashistack.aws.network.api",
    "AwsArtifacts": "hashistack.aws.access.artifacts",
    "AwsArtifactsArgs": "hashistack.aws.access.artifacts",
    "AwsClientPool": "hashistack.aws.pools.client_pool",
    "AwsClientPoolArgs": "hashistack.aws.pools.client_pool",
    "AwsCluster": "hashistack.aws.cluster",
    "AwsClusterArgs": "hashistack.aws.args",
    "AwsDns": "hashistack.aws.network.dns",
    "AwsDnsArgs": "hashistack.aws.network.dns",
    "AwsFirewall": "hashistack.aws.network.firewall",
    "AwsFirewallArgs": "hashistack.aws.network.firewall",
    "AwsIdentity": "hashistack.aws.access.identity",
    "AwsIdentityArgs": "hashistack.aws.access.identity",
    "AwsNetwork": "hashistack.aws.network.network",
    "AwsNetworkArgs": "hashistack.aws.network.network",
    "AwsPoolOptions": "hashistack.aws.pools.client_pool",
    "AwsSeal": "hashistack.aws.access.seal",
    "AwsSealArgs": "hashistack.aws.access.seal",
    "AwsSecrets": "hashistack.aws.access.secrets",
    "AwsSecretsArgs": "hashistack.aws.access.secrets",
    "AwsServerPool": "hashistack.aws.pools.server_pool",
    "AwsServerPoolArgs": "hashistack.aws.pools.server_pool",
    "Launch": "hashistack.aws.pools.launch",
    "Scope": "hashistack.aws.access.policies",
    "Volume": "hashistack.aws.pools.launch",
    "WarmPool": "hashistack.aws.pools.client_pool",
}

__all__ = [
    "AwsApi",
    "AwsApiArgs",
    "AwsArtifacts",
    "AwsArtifactsArgs",
    "AwsClientPool",
    "AwsClientPoolArgs",
    "AwsCluster",
    "AwsClusterArgs",
    "AwsDns",
    "AwsDnsArgs",
    "AwsFirewall",
    "AwsFirewallArgs",
    "AwsIdentity",
    "AwsIdentityArgs",
    "AwsNetwork",
    "AwsNetworkArgs",
    "AwsPoolOptions",
    "AwsSeal",
    "AwsSealArgs",
    "AwsSecrets",
    "AwsSecretsArgs",
    "AwsServerPool",
    "AwsServerPoolArgs",
    "Launch",
    "Scope",
    "Volume",
    "WarmPool",
]


__getattr__, __dir__ = lazily(globals(), _MODULES)
