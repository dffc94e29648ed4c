"""GcpSeal: the KMS key that Vault unseals itself with. Its loss is the loss of every secret, backups included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
from pulumi_gcp import kms

from hashistack.gcp import labels
from hashistack.gcp.cluster_id import Scope

DELETION_SECONDS = 30 * 86400
"""How long a version of the key that was destroyed by mistake can still be called back; Google's default, too."""
ROTATION_SECONDS = 90 * 86400
"""Google's advice. https://cloud.google.com/kms/docs/key-rotation"""


@dataclass(frozen=True)
class GcpSealArgs:
    """scope: the cluster's project, region and id. key: the id of an existing key to use instead of a new one; then
    nothing is made. protect: `pulumi destroy` refuses to delete the key (default); without it, the key is gone 30 days
    after `destroy`, and with it every snapshot of this Vault.
    """

    scope: Scope
    key: str | None = None
    protect: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)


class GcpSeal(pulumi.ComponentResource):
    """A key that Google rotates. Rings and keys are never deleted, only their content: so each has a name of its own,
    which Pulumi makes, and `destroy` and `up` again works."""

    key: pulumi.Output[str]
    """`projects/<project>/locations/<region>/keyRings/<ring>/cryptoKeys/<key>`"""

    def __init__(self, name: str, args: GcpSealArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpSeal", name, {}, opts)
        if args.key:
            self.key = pulumi.Output.from_input(args.key)
        else:
            child = pulumi.ResourceOptions(parent=self, protect=args.protect)
            ring = kms.KeyRing(f"{name}-ring", location=args.scope.region, opts=child)
            self.key = kms.CryptoKey(
                f"{name}-key",
                key_ring=ring.id,
                purpose="ENCRYPT_DECRYPT",
                rotation_period=f"{ROTATION_SECONDS}s",
                destroy_scheduled_duration=f"{DELETION_SECONDS}s",
                labels=labels.of_cluster(args.scope.site, args.labels),
                opts=child,
            ).id
        self.register_outputs({"key": self.key})
