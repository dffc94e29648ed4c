"""GcpIdentity: who a machine is to Google Cloud. One service account for the servers, one for each client pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
from pulumi_gcp import kms, projects, secretmanager, serviceaccount, storage

from hashistack.gcp import names
from hashistack.gcp.cluster_id import Scope
from hashistack.machine.roles import SERVER

DISCOVERER: Final = ("compute.instances.list",)
"""What finds the servers: it is the project's to give, and shows no more than that there are instances."""
INTRODUCER: Final = ("storage.objects.create", "storage.objects.delete")
"""What writes an object anew: an introduction of clients lives an hour."""
_VIEWER: Final = "roles/storage.objectViewer"
KEEPER: Final = (
    *("secretmanager.secrets.get", "secretmanager.secrets.update"),
    *("secretmanager.versions.access", "secretmanager.versions.add", "secretmanager.versions.destroy"),
)
"""What servers may do with the one secret that they write: see `claim` in `platform-gcp`."""


@dataclass(frozen=True)
class GcpIdentityArgs:
    """What the accounts are for.

    scope: the cluster's project, region and id. pools: names of the client pools.
    """

    scope: Scope
    pools: Sequence[str]


@dataclass(frozen=True)
class Reach:
    """The cluster's resources that machines reach. bucket: its name. server_secret, client_secret, vault_init: ids of
    the documents of `GcpSecrets`. seal_key: the id of the seal's key."""

    bucket: pulumi.Input[str]
    server_secret: pulumi.Input[str]
    client_secret: pulumi.Input[str]
    vault_init: pulumi.Input[str]
    seal_key: pulumi.Input[str]


class GcpIdentity(pulumi.ComponentResource):
    """Service accounts that can do what their machines do, and nothing else: no role of them is a basic one, and all
    but one are on single resources of the cluster.

    Only servers read the servers' document and Vault's recovery keys, and only they use the seal's key.
    """

    emails: Mapping[str, pulumi.Output[str]]
    """Pool to its account's email; the servers' pool is `server`."""

    def __init__(self, name: str, args: GcpIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpIdentity", name, {}, opts)
        self._name, self._site, self._child = name, args.scope.site, pulumi.ResourceOptions(parent=self)
        self._project = args.scope.project
        discoverer = self._role("discoverer", DISCOVERER)
        self.emails = {}
        for pool in (SERVER, *args.pools):
            self.emails[pool] = serviceaccount.Account(
                f"{name}-{pool}",
                account_id=names.account_id(args.scope.site, pool),
                display_name=f"Machines of pool {pool} of {args.scope.site}",
                opts=self._child,
            ).email
            projects.IAMMember(
                f"{name}-{pool}-discovers",
                project=self._project,
                role=discoverer,
                member=self._member(pool),
                opts=self._child,
            )
        self.register_outputs({"emails": self.emails})

    def may_reach(self, reach: Reach) -> list[pulumi.Resource]:
        """Lets the accounts do their work on the cluster's resources. Machines that start before ask again."""
        made: list[pulumi.Resource] = []
        for pool in self.emails:
            own = "client-pools" if pool == SERVER else f"introductions/{pool}.jwt"
            made.append(
                self._on_bucket(pool, "fetches", reach, _VIEWER, f"bundles/{pool}.tar.gz.base64", "tools/", own)
            )
            secret = reach.server_secret if pool == SERVER else reach.client_secret
            made.append(self._on_secret(pool, "reads", secret, "roles/secretmanager.secretAccessor"))
        made.append(self._on_bucket(SERVER, "sees-claims", reach, _VIEWER, "claims/"))
        # Who may make objects and not delete them can overwrite none.
        creator = "roles/storage.objectCreator"
        made.append(self._on_bucket(SERVER, "keeps", reach, creator, "claims/", "snapshots/"))
        introducer = self._role("introducer", INTRODUCER)
        made.append(self._on_bucket(SERVER, "introduces", reach, introducer, "introductions/"))
        made.append(self._on_secret(SERVER, "keeps", reach.vault_init, self._role("keeper", KEEPER)))
        # The first lacks cryptoKeys.get, which Vault's seal asks for.
        for role in ("cryptoKeyEncrypterDecrypter", "viewer"):
            made.append(
                kms.CryptoKeyIAMMember(
                    f"{self._name}-{SERVER}-seal-{role.lower()}",
                    crypto_key_id=reach.seal_key,
                    role=f"roles/cloudkms.{role}",
                    member=self._member(SERVER),
                    opts=self._child,
                )
            )
        return made

    def _member(self, pool: str) -> pulumi.Output[str]:
        return pulumi.Output.concat("serviceAccount:", self.emails[pool])

    def _role(self, word: str, permissions: Sequence[str]) -> pulumi.Output[str]:
        return projects.IAMCustomRole(
            f"{self._name}-{word}",
            project=self._project,
            role_id=names.role_id(self._site, word),
            title=f"{word} of {self._site}"[:100],
            permissions=list(permissions),
            opts=self._child,
        ).name

    def _on_bucket(
        self, pool: str, verb: str, reach: Reach, role: pulumi.Input[str], *prefixes: str
    ) -> pulumi.Resource:
        place = pulumi.Output.concat("projects/_/buckets/", reach.bucket, "/objects/")
        expression = place.apply(
            lambda it: " || ".join(f'resource.name.startsWith("{it}{prefix}")' for prefix in prefixes)
        )
        return storage.BucketIAMMember(
            f"{self._name}-{pool}-{verb}",
            bucket=reach.bucket,
            role=role,
            member=self._member(pool),
            condition=storage.BucketIAMMemberConditionArgs(title=f"{pool} {verb}"[:100], expression=expression),
            opts=self._child,
        )

    def _on_secret(self, pool: str, verb: str, secret: pulumi.Input[str], role: pulumi.Input[str]) -> pulumi.Resource:
        return secretmanager.SecretIamMember(
            f"{self._name}-{pool}-{verb}-secret",
            project=self._project,
            secret_id=secret,
            role=role,
            member=self._member(pool),
            opts=self._child,
        )
