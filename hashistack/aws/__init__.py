"""A cluster on AWS: Auto Scaling groups of EC2 instances, from the specification that every provider takes.

Importing this loads neither pulumi_aws nor boto3: each name is imported from its module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hashistack.aws.api import AwsApi, AwsApiArgs
    from hashistack.aws.artifacts import AwsArtifacts, AwsArtifactsArgs
    from hashistack.aws.dns import AwsDns, AwsDnsArgs
    from hashistack.aws.firewall import AwsFirewall, AwsFirewallArgs
    from hashistack.aws.network import AwsNetwork, AwsNetworkArgs

_MODULES = {
    "AwsApi": "hashistack.aws.api",
    "AwsApiArgs": "hashistack.aws.api",
    "AwsArtifacts": "hashistack.aws.artifacts",
    "AwsArtifactsArgs": "hashistack.aws.artifacts",
    "AwsDns": "hashistack.aws.dns",
    "AwsDnsArgs": "hashistack.aws.dns",
    "AwsFirewall": "hashistack.aws.firewall",
    "AwsFirewallArgs": "hashistack.aws.firewall",
    "AwsNetwork": "hashistack.aws.network",
    "AwsNetworkArgs": "hashistack.aws.network",
}

__all__ = [
    "AwsApi",
    "AwsApiArgs",
    "AwsArtifacts",
    "AwsArtifactsArgs",
    "AwsDns",
    "AwsDnsArgs",
    "AwsFirewall",
    "AwsFirewallArgs",
    "AwsNetwork",
    "AwsNetworkArgs",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value  # found at once the next time
    return value


def __dir__() -> list[str]:
    return __all__
