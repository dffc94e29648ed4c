"""GcpClusterArgs: what a cluster on Google Cloud is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from hashistack.gcp.pools.client_pool import GcpPoolOptions
from hashistack.spec import ClusterSpec


@dataclass(frozen=True)
class GcpClusterArgs:
    """Project and region are those of the provider. Everything but `spec` has a default.

    spec: the cluster, or the plain data of one, as a stack's configuration gives it.
    image: "debian" (default), "ubuntu", or the link of an image (`projects/<project>/global/images/<name>`).
    pools: what single client pools have beside their specification, by name; nothing.
    network_id, subnetwork_id: a network of yours (see `GcpNetworkArgs`); a new one.
    flow_logs: record the subnetwork's traffic; no.
    api_sources, api_source_cidrs: who may use the APIs (see `GcpFirewallArgs`), beside the machines.
    forward_dns: whatever is in the network resolves the cluster's names; only machines do.
    iap: operators reach machines and the APIs through Identity-Aware Proxy; no.
    kms_key: encrypts bucket, secrets and disks; Google's own keys do. Google's service agents must be allowed to use
    it.
    protect: what cannot be made again outlives a mistake; true. Turn it off for throw-away clusters, and in an `up`
    before a `destroy`.
    tags: labels for every resource that has them, beside the specification's.
    rotate_certificates, rotate_ca, rotate_gossip, rotate_tokens: any text; another one makes new ones on the next `up`,
    which the agents take up within five minutes. An old CA is trusted, and old tokens work, until the rotation
    after.
    """

    spec: ClusterSpec | Mapping[str, Any]
    image: str = "debian"
    pools: Mapping[str, GcpPoolOptions] = field(default_factory=dict)
    network_id: pulumi.Input[str] | None = None
    subnetwork_id: pulumi.Input[str] | None = None
    flow_logs: bool = False
    api_sources: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    api_source_cidrs: Sequence[str] = ()
    forward_dns: bool = False
    iap: bool = False
    kms_key: pulumi.Input[str] | None = None
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    rotate_certificates: str | None = None
    rotate_ca: str | None = None
    rotate_gossip: str | None = None
    rotate_tokens: str | None = None
