"""A cluster on Google Cloud: managed instance groups of VMs, from the specification that every provider takes.

Importing this does not load pulumi_gcp: each name is imported from its module when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashistack.lazy import lazily

if TYPE_CHECKING:
    from hashistack.gcp.access.artifacts import GcpArtifacts, GcpArtifactsArgs
    from hashistack.gcp.access.identity import GcpIdentity, GcpIdentityArgs, Reach
    from hashistack.gcp.access.seal import GcpSeal, GcpSealArgs
    from hashistack.gcp.access.secrets import GcpSecrets, GcpSecretsArgs
    from hashistack.gcp.args import GcpClusterArgs
    from hashistack.gcp.cluster import GcpCluster
    from hashistack.gcp.cluster_id import Scope
    from hashistack.gcp.network.api import GcpApi, GcpApiArgs
    from hashistack.gcp.network.dns import GcpDns, GcpDnsArgs
    from hashistack.gcp.network.firewall import GcpFirewall, GcpFirewallArgs
    from hashistack.gcp.network.network import GcpNetwork, GcpNetworkArgs
    from hashistack.gcp.pools.client_pool import GcpClientPool, GcpClientPoolArgs, GcpPoolOptions
    from hashistack.gcp.pools.launch import Disk, Launch
    from hashistack.gcp.pools.server_pool import GcpServerPool, GcpServerPoolArgs

_MODULES = {
    "Disk": "hashistack.gcp.pools.launch",
    "GcpApi": "hashistack.gcp.network.api",
    "GcpApiArgs": "hashistack.gcp.network.api",
    "GcpArtifacts": "hashistack.gcp.access.artifacts",
    "GcpArtifactsArgs": "hashistack.gcp.access.artifacts",
    "GcpClientPool": "hashistack.gcp.pools.client_pool",
    "GcpClientPoolArgs": "hashistack.gcp.pools.client_pool",
    "GcpCluster": "hashistack.gcp.cluster",
    "GcpClusterArgs": "hashistack.gcp.args",
    "GcpDns": "hashistack.gcp.network.dns",
    "GcpDnsArgs": "hashistack.gcp.network.dns",
    "GcpFirewall": "hashistack.gcp.network.firewall",
    "GcpFirewallArgs": "hashistack.gcp.network.firewall",
    "GcpIdentity": "hashistack.gcp.access.identity",
    "GcpIdentityArgs": "hashistack.gcp.access.identity",
    "GcpNetwork": "hashistack.gcp.network.network",
    "GcpNetworkArgs": "hashistack.gcp.network.network",
    "GcpPoolOptions": "hashistack.gcp.pools.client_pool",
    "GcpSeal": "hashistack.gcp.access.seal",
    "GcpSealArgs": "hashistack.gcp.access.seal",
    "GcpSecrets": "hashistack.gcp.access.secrets",
    "GcpSecretsArgs": "hashistack.gcp.access.secrets",
    "GcpServerPool": "hashistack.gcp.pools.server_pool",
    "GcpServerPoolArgs": "hashistack.gcp.pools.server_pool",
    "Launch": "hashistack.gcp.pools.launch",
    "Reach": "hashistack.gcp.access.identity",
    "Scope": "hashistack.gcp.cluster_id",
}

__all__ = [
    "Disk",
    "GcpApi",
    "GcpApiArgs",
    "GcpArtifacts",
    "GcpArtifactsArgs",
    "GcpClientPool",
    "GcpClientPoolArgs",
    "GcpCluster",
    "GcpClusterArgs",
    "GcpDns",
    "GcpDnsArgs",
    "GcpFirewall",
    "GcpFirewallArgs",
    "GcpIdentity",
    "GcpIdentityArgs",
    "GcpNetwork",
    "GcpNetworkArgs",
    "GcpPoolOptions",
    "GcpSeal",
    "GcpSealArgs",
    "GcpSecrets",
    "GcpSecretsArgs",
    "GcpServerPool",
    "GcpServerPoolArgs",
    "Launch",
    "Reach",
    "Scope",
]


__getattr__, __dir__ = lazily(globals(), _MODULES)
