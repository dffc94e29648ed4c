"""Every permission that a cluster gives, as policy documents. Pure.

Actions are named one by one. A resource is always one of the cluster's own, but where the API knows none: `ANYWHERE`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hashistack.aws import tags

Statement = dict[str, Any]

ANYWHERE = {
    "autoscaling:DescribeAutoScalingInstances",
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInstances",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeVolumeStatus",
    "ec2:DescribeVolumes",
    "ec2:DescribeVolumesModifications",
    "logs:DescribeLogGroups",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}
"""Actions that take no resource in a policy, or none that is known before the machine is.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html"""

_KEY_DESTROYERS = (
    "kms:CancelKeyDeletion",
    "kms:DeleteImportedKeyMaterial",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
)


_MADE_BY_CSI = "ebs.csi.aws.com/cluster"
"""The tag, with the value "true", that EBS's plugin gives each volume that it makes.
https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/tagging.md"""


@dataclass(frozen=True)
class Scope:
    """Where a cluster is: what everything that it may do is limited to. `partition` is "aws", "aws-cn", …"""

    partition: str
    region: str
    account: str
    site: str

    def arn(self, service: str, resource: str) -> str:
        """The name of a resource of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True)
class Reach:
    """The resources, by ARN, that machines of one pool may reach.

    secrets: documents that they read. kept: those that they also write. seal: the key of Vault's seal.
    keys: the keys that the bucket and the secrets are encrypted with, where they are the user's own.
    """

    bucket: str
    secrets: tuple[str, ...]
    kept: tuple[str, ...] = ()
    seal: str | None = None
    keys: tuple[str, ...] = ()


def machines_assume() -> str:
    """Who takes on a machine's role: EC2, for its instances."""
    return _document(
        {
            "Sid": "Machines",
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    )


def machine(scope: Scope, pool: str, role: str, reach: Reach, sessions: bool = False, volumes: bool = False) -> str:
    """What the machines of one pool may do.

    sessions: an operator may open a shell on them by Session Manager. volumes: the CSI plugin for EBS runs on them.
    """
    found = [
        _allow(
            "Discover",
            ["autoscaling:DescribeAutoScalingInstances", "ec2:DescribeInstances"],
            ["*"],
            {"StringEquals": {"aws:RequestedRegion": scope.region}},
        ),
        _allow("FetchBundle", ["s3:GetObjectVersion"], [f"{reach.bucket}/bundles/{pool}.tar.gz"]),
        _allow("FetchTools", ["s3:GetObject"], [f"{reach.bucket}/tools/*"]),
        _allow("ReadSecrets", ["secretsmanager:GetSecretValue"], [*reach.secrets, *reach.kept]),
        _own_lifecycle(scope, pool),
    ]
    if role == "server":
        # Who initialises Vault is settled by who writes first: `If-None-Match` makes that atomic.
        found.append(_allow("Claim", ["s3:GetObject", "s3:PutObject"], [f"{reach.bucket}/claims/*"]))
        found.append(_allow("Snapshot", ["s3:PutObject"], [f"{reach.bucket}/snapshots/*"]))
        # Which machines may become clients: the servers say it, and a pool's machines read their own pool's alone.
        found.append(_allow("ReadPools", ["s3:GetObject"], [f"{reach.bucket}/client-pools"]))
        found.append(_allow("Introduce", ["s3:PutObject"], [f"{reach.bucket}/introductions/*"]))
    else:
        found.append(_allow("Introduction", ["s3:GetObject"], [f"{reach.bucket}/introductions/{pool}.jwt"]))
    if reach.kept:
        found.append(_allow("KeepSecrets", ["secretsmanager:PutSecretValue"], reach.kept))
    if reach.seal:
        found.append(_allow("Unseal", ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"], [reach.seal]))
    if reach.keys:
        found.append(_allow("ReadEncrypted", ["kms:Decrypt"], reach.keys, _through(scope)))
    if reach.keys and reach.kept:
        found.append(_allow("WriteEncrypted", ["kms:GenerateDataKey"], reach.keys, _through(scope)))
    if sessions:
        # What Session Manager needs and no more: AWS's own policy for it also reads every SSM parameter.
        # https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
        found.append(_allow("Sessions", sorted(name for name in ANYWHERE if name.startswith("ssm")), ["*"]))
    if volumes:
        found.extend(_volumes(scope))
    return _document(*found)


def _volumes(scope: Scope) -> list[Statement]:
    """What EBS's plugin needs: to make volumes with the cluster's tag, and to do with these what it does.

    Machines' own disks have that tag too: `_MADE_BY_CSI` tells the plugin's volumes from them. It may attach to clients
    alone. Snapshots, and keys of the user's own, are not among it.
    https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/example-iam-policy.json
    """
    volume, instance = scope.arn("ec2", "volume/*"), scope.arn("ec2", "instance/*")
    made = {tags.CLUSTER: scope.site, _MADE_BY_CSI: "true"}
    own = {"StringEquals": {f"aws:ResourceTag/{key}": value for key, value in made.items()}}
    asked = {"StringEquals": {f"aws:RequestTag/{key}": value for key, value in made.items()}}
    clients = {tags.CLUSTER: scope.site, tags.ROLE: "client"}
    looks = sorted(name for name in ANYWHERE if name.startswith("ec2:"))
    return [
        _allow("SeeVolumes", looks, ["*"], {"StringEquals": {"aws:RequestedRegion": scope.region}}),
        _allow("MakeVolumes", ["ec2:CreateVolume"], [volume], asked),
        _allow("TagVolumes", ["ec2:CreateTags"], [volume], {"StringEquals": {"ec2:CreateAction": "CreateVolume"}}),
        _allow(
            "UseVolumes",
            ["ec2:AttachVolume", "ec2:DeleteVolume", "ec2:DetachVolume", "ec2:ModifyVolume"],
            [volume],
            own,
        ),
        _allow(
            "AttachVolumes",
            ["ec2:AttachVolume", "ec2:DetachVolume"],
            [instance],
            {"StringEquals": {f"aws:ResourceTag/{key}": value for key, value in clients.items()}},
        ),
    ]


def seal_key(scope: Scope) -> str:
    """Who may do what with the key of Vault's seal: the account decides, and no machine can take the key away.

    Only servers use it: their role says so, and the policy denies it to clients, whatever their role says.
    """
    members = {f"aws:PrincipalTag/{tags.CLUSTER}": scope.site}
    everyone = {"AWS": "*"}
    return _document(
        {
            # Without this statement nobody could change the key any more, AWS's support included.
            # https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
            "Sid": "Account",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{scope.partition}:iam::{scope.account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "MachinesKeepIt",
            "Effect": "Deny",
            "Principal": everyone,
            "Action": list(_KEY_DESTROYERS),
            "Resource": "*",
            "Condition": {"StringEquals": members},
        },
        {
            "Sid": "NotForClients",
            "Effect": "Deny",
            "Principal": everyone,
            "Action": ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"],
            "Resource": "*",
            "Condition": {"StringEquals": {**members, f"aws:PrincipalTag/{tags.ROLE}": "client"}},
        },
    )


def _own_lifecycle(scope: Scope, pool: str) -> Statement:
    """Lifecycle actions of the pool's own group. By tag: the policy must stand before the group, and fall after it."""
    return _allow(
        "Lifecycle",
        ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"],
        [scope.arn("autoscaling", "autoScalingGroup:*:autoScalingGroupName/*")],
        {
            "StringEquals": {
                f"autoscaling:ResourceTag/{tags.CLUSTER}": scope.site,
                f"autoscaling:ResourceTag/{tags.POOL}": pool,
            }
        },
    )


def _through(scope: Scope) -> Mapping[str, Any]:
    services = [f"{service}.{scope.region}.amazonaws.com" for service in ("s3", "secretsmanager")]
    return {"StringEquals": {"kms:ViaService": services}}


def _allow(
    sid: str, actions: Iterable[str], resources: Iterable[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    return {**statement, **({"Condition": condition} if condition else {})}


def _document(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
