"""A pool's bundle in the cluster's bucket, and the user data that leads to it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from hashistack.aws.access.artifacts import AwsArtifacts
from hashistack.aws.access.seal import AwsSeal
from hashistack.aws.access.secrets import AwsSecrets
from hashistack.aws.network.dns import AwsDns
from hashistack.aws.network.network import AwsNetwork
from hashistack.aws.pools import blueprint
from hashistack.aws.pools.blueprint import Ground
from hashistack.machine.bundle import Binary
from hashistack.machine.roles import SERVER
from hashistack.spec import ClusterSpec
from hashistack.spec.pool import Arch


@dataclass(frozen=True)
class Boot:
    """What a pool's machines boot from: the bundle's digest, and their first script."""

    bundle: pulumi.Output[str]
    user_data: pulumi.Output[str]


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

    def of(self, pool: str, arch: Arch, made_of: Mapping[str, object]) -> Boot:
        """Renders the pool's bundle as soon as all that is in it is known, and uploads it.

        made_of: what the pool's machines are made of besides; a change of it replaces them.
        """

        def ground(found: Sequence[Any]) -> Ground:
            bucket, binaries, secret, vault_init, seal_key, upstreams, cidr = found
            return Ground(
                region=self.region,
                bucket=bucket,
                binaries=tuple(Binary(**binary) for binary in binaries),
                secret=secret,
                vault_init=vault_init,
                seal_key=seal_key,
                upstreams=tuple(upstreams),
                operators=(cidr,),
                made_of=made_of,
            )

        grounds = pulumi.Output.all(
            self.artifacts.bucket,
            self.artifacts.binaries(pool, arch),
            self.secrets.server_arn if pool == SERVER else self.secrets.client_arn,
            self.secrets.vault_init_arn,
            self.seal.key_arn,
            self.dns.upstreams,
            self.network.cidr,
        ).apply(ground)
        made = grounds.apply(lambda it: blueprint.bundle(self.spec, self.site, pool, it))
        digest = made.apply(lambda it: it.sha256)
        url = self.artifacts.bundle(pool, made.apply(lambda it: b64encode(it.archive).decode()))
        script = pulumi.Output.all(grounds, url, digest).apply(
            lambda it: blueprint.first_script(self.spec, self.site, pool, *it)
        )
        return Boot(digest, script)
