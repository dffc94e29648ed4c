"""Where a cluster's provider is, and whether its account can have the cluster: asked before anything is declared."""

from __future__ import annotations

import json
from typing import Final

import pulumi
from pulumi_aws import config

from hashistack.aws import cluster_id
from hashistack.aws.access.policies import Scope
from hashistack.aws.provider import configured
from hashistack.cloud.cluster_id import site
from hashistack.component.findings import Finding
from hashistack.component.preflight import preflight, refuse
from hashistack.spec import ClusterSpec

PREFLIGHT: Final = "hashistack:index:awsPreflight"


def scope(spec: ClusterSpec, own_vpc: bool, cluster: pulumi.Resource) -> Scope:
    """Where the provider of `cluster` is.

    Raises:
        pulumi.RunError: it can't say; tells why in our words where a look at the account finds why, else in its own.
    """
    try:
        return cluster_id.scope(spec.name, parent=cluster)
    except Exception as error:  # the SDK raises no class of its own
        if not config.region:
            raise
        found = look(spec, config.region, "", own_vpc, cluster)
        refuse((), found)
        raise pulumi.RunError(" ".join(str(error).split())) from None


def look(spec: ClusterSpec, region: str, account: str, own_vpc: bool, cluster: pulumi.Resource) -> list[Finding]:
    """Everything that stands against the cluster in its account; `account` "" where that is not known."""
    access = configured(cluster)
    asked = {
        "spec": spec.model_dump_json(),
        "site": site(spec.name),
        "region": region,
        "account": account,
        "own_vpc": own_vpc,
        "access": access or {},
        "accounts": [] if access is None else json.loads(getattr(config, "allowed_account_ids", "") or "[]"),
    }
    return preflight(PREFLIGHT, asked)
