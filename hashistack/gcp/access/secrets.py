"""GcpSecrets: the cluster's secret store. One document a role, and one place for what Vault makes itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_gcp import secretmanager

from hashistack.gcp import labels
from hashistack.gcp.cluster_id import Scope


@dataclass(frozen=True)
class GcpSecretsArgs:
    """scope: the cluster's project, region and id. server_document, client_document: what each role of machine may
    read, as JSON.

    kms_key: encrypts the documents; none given: Google's own. protect: `pulumi destroy` refuses to delete them
    (default).
    """

    scope: Scope
    server_document: pulumi.Input[str]
    client_document: pulumi.Input[str]
    kms_key: pulumi.Input[str] | None = None
    protect: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)


class GcpSecrets(pulumi.ComponentResource):
    """Three secrets of Secret Manager, kept in the cluster's region alone. `GcpIdentity` says who may read which.

    A changed document is a new version of its secret: machines see it within three minutes, and none is replaced.
    """

    server_id: pulumi.Output[str]
    """`projects/<project>/secrets/<name>`"""
    client_id: pulumi.Output[str]
    vault_init_id: pulumi.Output[str]
    """Where the server that initialised Vault keeps its recovery keys. Pulumi never writes it, nor reads it."""

    def __init__(self, name: str, args: GcpSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpSecrets", name, {}, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        self.server_id = self._document("server", args.server_document)
        self.client_id = self._document("client", args.client_document)
        self.vault_init_id = self._secret("vault-init").id
        self.register_outputs({"serverId": self.server_id, "clientId": self.client_id})

    def _document(self, role: str, document: pulumi.Input[str]) -> pulumi.Output[str]:
        secret = self._secret(role)
        secretmanager.SecretVersion(
            f"{self._name}-{role}-version",
            secret=secret.id,
            secret_data=pulumi.Output.secret(document),
            opts=self._child,
        )
        # Not the version's own: that is unknown in each preview of a rotation, and so would be every first script.
        return secret.id

    def _secret(self, role: str) -> secretmanager.Secret:
        args = self._args
        key = None
        if args.kms_key is not None:
            key = secretmanager.SecretReplicationUserManagedReplicaCustomerManagedEncryptionArgs(
                kms_key_name=args.kms_key
            )
        replica = secretmanager.SecretReplicationUserManagedReplicaArgs(
            location=args.scope.region, customer_managed_encryption=key
        )
        return secretmanager.Secret(
            f"{self._name}-{role}",
            secret_id=f"{args.scope.site}-{role}",
            replication=secretmanager.SecretReplicationArgs(
                user_managed=secretmanager.SecretReplicationUserManagedArgs(replicas=[replica])
            ),
            deletion_protection=args.protect,
            labels=labels.of_cluster(args.scope.site, args.labels),
            # Machines say which version of their own documents counts, by an alias.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["versionAliases"]),
        )
