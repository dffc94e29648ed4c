"""AwsSeal: the KMS key that Vault unseals itself with. Its loss is the loss of every secret, backups included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from hashistack.aws import tags
from hashistack.aws.access import policies
from hashistack.aws.access.policies import Scope

DELETION_DAYS = 30
"""AWS's longest: how long a key that was deleted by mistake can still be called back.
https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html"""


@dataclass(frozen=True)
class AwsSealArgs:
    """scope: the cluster's partition, region, account and id. key_arn: an existing key to use instead of a new one;
    then nothing is made. protect: `pulumi destroy` refuses to delete the key (default); without it, the key is gone 30
    days after `destroy`, and with it every snapshot of this Vault.
    """

    scope: Scope
    key_arn: str | None = None
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class AwsSeal(pulumi.ComponentResource):
    """A key that AWS rotates each year, that no machine can delete, and that `destroy` does not delete either."""

    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AwsSealArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:AwsSeal", name, {}, opts)
        if args.key_arn:
            self.key_arn = pulumi.Output.from_input(args.key_arn)
        else:
            key = aws.kms.Key(
                f"{name}-key",
                description=f"Seal of the Vault of {args.scope.site}",
                policy=policies.seal_key(args.scope),
                enable_key_rotation=True,
                deletion_window_in_days=DELETION_DAYS,
                tags=tags.named(f"{args.scope.site}-seal", tags.of_cluster(args.scope.site, args.tags)),
                opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
            )
            self.key_arn = key.arn
        self.register_outputs({"keyArn": self.key_arn})
