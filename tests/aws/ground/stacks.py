"""Stacks of the components that a cluster stands on, each as a user writes it, under an explicit provider."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pulumi
import pulumi_aws as aws

from hashistack.aws import (
    AwsApi,
    AwsApiArgs,
    AwsArtifacts,
    AwsArtifactsArgs,
    AwsCluster,
    AwsClusterArgs,
    AwsDns,
    AwsDnsArgs,
    AwsFirewall,
    AwsFirewallArgs,
    AwsNetwork,
    AwsNetworkArgs,
)
from hashistack.aws.network.endpoints import NEEDED
from hashistack.spec import ClientPool, ClusterSpec, Network
from hashistack.testing import Aws, Recording, record

REGION = "us-east-1"
"""Not the region of the default provider: whatever asks that one finds another."""


def explicit() -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(providers=[aws.Provider("second", region=REGION)])


def ground(
    name: str = "prod",
    network: AwsNetworkArgs | None = None,
    spec: ClusterSpec | None = None,
    forward: bool = False,
    cidrs: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Network, firewall, API, DNS and artifacts, wired as AwsCluster does."""
    opts, spec = explicit(), spec or ClusterSpec()
    where = AwsNetwork(f"{name}-network", network, opts)
    firewall = AwsFirewall(f"{name}-firewall", AwsFirewallArgs(where.vpc_id, where.endpoints_security_group_id), opts)
    servers, clients = firewall.servers_security_group_id, firewall.clients_security_group_id
    api = AwsApi(
        f"{name}-api",
        AwsApiArgs(
            where.vpc_id,
            where.zone_subnet_ids,
            servers,
            sources={"servers": servers, "clients": clients},
            source_cidrs=cidrs,
        ),
        opts,
    )
    dns = AwsDns(f"{name}-dns", AwsDnsArgs(spec.dns, forward, where.vpc_id, where.zone_subnet_ids, servers), opts)
    artifacts = AwsArtifacts(f"{name}-artifacts", AwsArtifactsArgs(spec, protect=False), opts)
    bundle = artifacts.bundle("server", "AAAA")
    return {
        "api": api.dns_name,
        "targets": api.target_group_arns,
        "upstreams": dns.upstreams,
        "dns_targets": dns.target_group_arns,
        "binaries": artifacts.binaries("server", "amd64"),
        "bundle": bundle,
        "private": where.private_subnet_ids,
        "first_zone": where.subnet_ids_in([f"{REGION}a"]),
        "cidrs": where.cidrs,
    }


CASES: dict[str, Callable[[], Any]] = {
    "minimal": ground,
    "own-vpc": lambda: ground(
        network=AwsNetworkArgs(
            vpc_id="vpc-yours",
            private_subnet_ids=["subnet-1", "subnet-2", "subnet-3"],
            route_table_ids=["rtb-1"],
        )
    ),
    "private-without-nat": lambda: ground(
        network=AwsNetworkArgs(network=Network(nat="none"), endpoints=NEEDED, flow_logs=True), forward=True
    ),
    "two-architectures": lambda: ground(
        "a-name-that-is-rather-long-for-a-load-balancer",
        spec=ClusterSpec(clients=[ClientPool(name="web"), ClientPool(name="arm", arch="arm64")]),
        forward=True,
        cidrs=("10.200.0.0/16",),
    ),
}
"""Name of a case to its program."""


def cluster() -> dict[str, Any]:
    """A whole cluster, for what holds of every component."""
    made = AwsCluster("prod", AwsClusterArgs(spec={"name": "prod"}, flow_logs=True, forward_dns=True), explicit())
    return {"ca": made.ca_pem}


@cache
def recorded(case: str) -> Recording:
    """The recording of a case, or of ``cluster``, run where no default provider is to be had."""
    return record(cluster if case == "cluster" else CASES[case], Aws(REGION), disable_default_providers=["aws"])
