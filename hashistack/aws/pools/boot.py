"""What the machines of a cluster's pools boot from on AWS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from hashistack.aws.access.artifacts import AwsArtifacts
from hashistack.aws.access.seal import AwsSeal
from hashistack.aws.access.secrets import AwsSecrets
from hashistack.aws.checks import hook_seconds
from hashistack.aws.network.dns import AwsDns
from hashistack.aws.network.network import AwsNetwork
from hashistack.aws.pools.first_fetch import START
from hashistack.aws.pools.platform import platform
from hashistack.cloud.machine_boot import Boot, BootInputs, boot, upgrade
from hashistack.machine.bundle import Binary
from hashistack.machine.roles import SERVER
from hashistack.spec import ClusterSpec
from hashistack.spec.pool import Arch


@dataclass(frozen=True)
class Boots:
    """Makes the `Boot` of each pool of one cluster."""

    spec: ClusterSpec
    site: str
    region: str
    artifacts: AwsArtifacts
    secrets: AwsSecrets
    seal: AwsSeal
    dns: AwsDns
    network: AwsNetwork

    def of(self, pool: str, arch: Arch, made_of: Mapping[str, object], disks: Mapping[str, str]) -> Boot:
        """made_of: what the pool's machines are made of besides; a change of it replaces them. disks: to be mounted."""
        server = pool == SERVER

        def inputs(found: Sequence[Any]) -> BootInputs:
            bucket, binaries, secret, vault_init, seal_key, upstreams, cidrs = found
            return BootInputs(
                platform=platform(self.region, upstreams, seal_key, cidrs, made_of, disks),
                start=START,
                binaries=tuple(Binary(**binary) for binary in binaries),
                environment={
                    "HS_REGION": self.region,
                    "HS_BUCKET": bucket,
                    "HS_HOOK_TIMEOUT": f"{hook_seconds(upgrade(self.spec, pool))}",
                    "HS_SECRET_SERVER" if server else "HS_SECRET_CLIENT": secret,
                    **({"HS_SECRET_VAULT_INIT": vault_init} if server else {}),
                },
            )

        known = pulumi.Output.all(
            self.artifacts.bucket,
            self.artifacts.binaries(pool, arch),
            self.secrets.server_arn if server else self.secrets.client_arn,
            self.secrets.vault_init_arn,
            self.seal.key_arn,
            self.dns.upstreams,
            self.network.cidrs,
        ).apply(inputs)
        return boot(self.spec, self.site, pool, known, lambda archive: self.artifacts.bundle(pool, archive))
