"""AwsSecrets: the cluster's secret store. One document a role, and one place for what Vault makes itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from hashistack.aws import tags

RECOVERY_DAYS = 30
"""AWS's default and longest: how long a secret that was deleted by mistake can still be called back."""


@dataclass(frozen=True)
class AwsSecretsArgs:
    """site: the cluster's id. server_document, client_document: what each role of machine may read, as JSON.

    kms_key_arn: encrypts the documents; none given: AWS's own key for Secrets Manager. protect: a deleted document can
    be called back for 30 days (default), else it is gone at once.
    """

    site: str
    server_document: pulumi.Input[str]
    client_document: pulumi.Input[str]
    kms_key_arn: pulumi.Input[str] | None = None
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class AwsSecrets(pulumi.ComponentResource):
    """Three secrets of Secrets Manager. Who may read which is said by the machines' roles (`AwsIdentity`).

    A changed document is a new version of its secret: machines see it within three minutes, and none is replaced.
    """

    server_arn: pulumi.Output[str]
    client_arn: pulumi.Output[str]
    vault_init_arn: pulumi.Output[str]
    """Where the server that initialised Vault keeps its recovery keys. Pulumi never writes it, nor reads it."""

    def __init__(self, name: str, args: AwsSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:AwsSecrets", name, {}, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        self.server_arn = self._document("server", args.server_document)
        self.client_arn = self._document("client", args.client_document)
        self.vault_init_arn = self._secret("vault-init", "Vault's recovery keys, kept by its servers").arn
        self.register_outputs({"serverArn": self.server_arn, "clientArn": self.client_arn})

    def _document(self, role: str, document: pulumi.Input[str]) -> pulumi.Output[str]:
        secret = self._secret(role, f"What a {role} of {self._args.site} may read")
        aws.secretsmanager.SecretVersion(
            f"{self._name}-{role}-version",
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(document),
            opts=self._child,
        )
        # Not the version's own: that is unknown in each preview of a rotation, and so would be all user data.
        return secret.arn

    def _secret(self, role: str, description: str) -> aws.secretsmanager.Secret:
        args = self._args
        return aws.secretsmanager.Secret(
            f"{self._name}-{role}",
            description=description,
            kms_key_id=args.kms_key_arn,
            recovery_window_in_days=RECOVERY_DAYS if args.protect else 0,
            tags=tags.named(f"{args.site}-{role}", tags.of_cluster(args.site, args.tags)),
            opts=self._child,
        )
