"""AwsClusterArgs: what a cluster on AWS is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from hashistack.aws.pools.client_pool import AwsPoolOptions
from hashistack.spec import ClusterSpec


@dataclass(frozen=True)
class AwsClusterArgs:
    """Region and account are those of the provider. Everything but `spec` has a default.

    spec: the cluster, or the plain data of one, as a stack's configuration gives it.
    image: "alpine" (default), "debian", "ubuntu", or the id of an image.
    pools: what single client pools have beside their specification, by name; nothing.
    vpc_id, private_subnet_ids, route_table_ids: a VPC of yours (see `AwsNetworkArgs`); a new one.
    endpoints: machines reach AWS's services without the internet; only where the new VPC has no NAT.
    flow_logs: record the VPC's traffic; no.
    api_sources, api_source_cidrs: who may use the APIs' load balancer (see `AwsApiArgs`), beside the machines.
    forward_dns: whatever is in the VPC resolves the cluster's names; only machines do.
    sessions: operators may open a shell on machines, and a tunnel to the APIs, by Session Manager; no.
    kms_key_arn: encrypts bucket, secrets and disks; AWS's own keys do. Its policy must let the account's service-linked
    role of Auto Scaling (AWSServiceRoleForAutoScaling) use it, or no machine starts.
    permissions_boundary_arn: the most that the machines' roles may do; none.
    protect: what cannot be made again outlives a mistake, and client pools drain before they are deleted; true. Turn it
    off for throw-away clusters, and in an `up` before a `destroy`.
    tags: for every resource, beside the specification's.
    rotate_certificates, rotate_ca, rotate_gossip, rotate_tokens: any text; another one makes new ones on the next `up`,
    which the agents take up within five minutes. An old CA is trusted, and old tokens work, until the rotation
    after.
    """

    spec: ClusterSpec | Mapping[str, Any]
    image: str = "alpine"
    pools: Mapping[str, AwsPoolOptions] = field(default_factory=dict)
    vpc_id: pulumi.Input[str] | None = None
    private_subnet_ids: pulumi.Input[Sequence[str]] | None = None
    route_table_ids: pulumi.Input[Sequence[str]] | None = None
    endpoints: bool = False
    flow_logs: bool = False
    api_sources: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    api_source_cidrs: Sequence[str] = ()
    forward_dns: bool = False
    sessions: bool = False
    kms_key_arn: pulumi.Input[str] | None = None
    permissions_boundary_arn: pulumi.Input[str] | None = None
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    rotate_certificates: str | None = None
    rotate_ca: str | None = None
    rotate_gossip: str | None = None
    rotate_tokens: str | None = None
