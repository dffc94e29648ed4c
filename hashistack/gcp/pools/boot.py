"""What the machines of a cluster's pools boot from on Google Cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from hashistack.cloud.machine_boot import Boot, BootInputs, boot
from hashistack.gcp.access.artifacts import GcpArtifacts
from hashistack.gcp.access.seal import GcpSeal
from hashistack.gcp.access.secrets import GcpSecrets
from hashistack.gcp.cluster_id import Scope
from hashistack.gcp.network.dns import GcpDns
from hashistack.gcp.network.network import GcpNetwork
from hashistack.gcp.pools.first_fetch import START
from hashistack.gcp.pools.platform import platform
from hashistack.machine.bundle import Binary
from hashistack.machine.roles import SERVER
from hashistack.spec import ClusterSpec
from hashistack.spec.pool import Arch


@dataclass(frozen=True)
class Boots:
    """Makes the `Boot` of each pool of one cluster."""

    spec: ClusterSpec
    scope: Scope
    artifacts: GcpArtifacts
    secrets: GcpSecrets
    seal: GcpSeal
    dns: GcpDns
    network: GcpNetwork

    def of(
        self,
        pool: str,
        arch: Arch,
        made_of: Mapping[str, object],
        operators: Sequence[str],
        disks: Mapping[str, str],
    ) -> Boot:
        """made_of: what the pool's machines are made of besides; a change of it replaces them. operators: networks from
        which requests to the APIs come, beside the cluster's own. disks: to be mounted."""
        server = pool == SERVER

        def inputs(found: Sequence[Any]) -> BootInputs:
            bucket, binaries, secret, vault_init, seal_key, upstreams, dns_address, cidr = found
            asked_at = dns_address if server else ""
            return BootInputs(
                platform=platform(upstreams, seal_key, (cidr, *operators), made_of, disks, asked_at),
                start=START,
                binaries=tuple(Binary(**binary) for binary in binaries),
                environment={
                    "HS_PROJECT": self.scope.project,
                    "HS_BUCKET": bucket,
                    "HS_SECRET_SERVER" if server else "HS_SECRET_CLIENT": secret,
                    **({"HS_SECRET_VAULT_INIT": vault_init} if server else {}),
                },
            )

        known = pulumi.Output.all(
            self.artifacts.bucket,
            self.artifacts.binaries(pool, arch),
            self.secrets.server_id if server else self.secrets.client_id,
            self.secrets.vault_init_id,
            self.seal.key,
            self.dns.upstreams,
            self.dns.address,
            self.network.cidr,
        ).apply(inputs)
        return boot(self.spec, self.scope.site, pool, known, lambda archive: self.artifacts.bundle(pool, archive))
