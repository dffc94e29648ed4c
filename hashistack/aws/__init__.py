"""A cluster on AWS: Auto Scaling groups of EC2 instances, from the specification that every provider takes.

Importing this loads neither pulumi_aws nor boto3: each name is imported from its module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hashistack.aws.api import AwsApi, AwsApiArgs
    from hashistack.aws.args import AwsClusterArgs
    from hashistack.aws.artifacts import AwsArtifacts, AwsArtifactsArgs
    from hashistack.aws.client_pool import AwsClientPool, AwsClientPoolArgs, AwsPoolOptions, WarmPool
    from hashistack.aws.cluster import AwsCluster
    from hashistack.aws.dns import AwsDns, AwsDnsArgs
    from hashistack.aws.firewall import AwsFirewall, AwsFirewallArgs
    from hashistack.aws.identity import AwsIdentity, AwsIdentityArgs
    from hashistack.aws.launch import Launch, Volume
    from hashistack.aws.network import AwsNetwork, AwsNetworkArgs
    from hashistack.aws.policies import Scope
    from hashistack.aws.seal import AwsSeal, AwsSealArgs
    from hashistack.aws.secrets import AwsSecrets, AwsSecretsArgs
    from hashistack.aws.server_pool import AwsServerPool, AwsServerPoolArgs

_MODULES = {
    "AwsApi": "hashistack.aws.api",
    "AwsApiArgs": "hashistack.aws.api",
    "AwsArtifacts": "hashistack.aws.artifacts",
    "AwsArtifactsArgs": "hashistack.aws.artifacts",
    "AwsClientPool": "hashistack.aws.client_pool",
    "AwsClientPoolArgs": "hashistack.aws.client_pool",
    "AwsCluster": "hashistack.aws.cluster",
    "AwsClusterArgs": "hashistack.aws.args",
    "AwsDns": "hashistack.aws.dns",
    "AwsDnsArgs": "hashistack.aws.dns",
    "AwsFirewall": "hashistack.aws.firewall",
    "AwsFirewallArgs": "hashistack.aws.firewall",
    "AwsIdentity": "hashistack.aws.identity",
    "AwsIdentityArgs": "hashistack.aws.identity",
    "AwsNetwork": "hashistack.aws.network",
    "AwsNetworkArgs": "hashistack.aws.network",
    "AwsPoolOptions": "hashistack.aws.client_pool",
    "AwsSeal": "hashistack.aws.seal",
    "AwsSealArgs": "hashistack.aws.seal",
    "AwsSecrets": "hashistack.aws.secrets",
    "AwsSecretsArgs": "hashistack.aws.secrets",
    "AwsServerPool": "hashistack.aws.server_pool",
    "AwsServerPoolArgs": "hashistack.aws.server_pool",
    "Launch": "hashistack.aws.launch",
    "Scope": "hashistack.aws.policies",
    "Volume": "hashistack.aws.launch",
    "WarmPool": "hashistack.aws.client_pool",
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


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value  # found at once the next time
    return value


def __dir__() -> list[str]:
    return __all__
