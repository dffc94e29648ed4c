"""AwsArtifacts: the bucket from which machines fetch what they boot from, everything checked by its digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_aws as aws

from hashistack.aws.names import BUCKET, prefix
from hashistack.aws.tags import named
from hashistack.cloud.tool_upload import ToolUpload
from hashistack.machine.config.nomad import client_pools
from hashistack.spec.durations import seconds

if TYPE_CHECKING:
    from hashistack.spec import ClusterSpec


_A_DAY = aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(noncurrent_days=1)


@dataclass(frozen=True)
class AwsArtifactsArgs:
    """What the bucket holds.

    spec: the cluster, which says the tools, their versions and the architectures of its pools.
    static: whether only binaries without a C library will do; Alpine, the default image, has none.
    kms_key_arn: key for the bucket's encryption, which machines must then be allowed to use; None: S3's own.
    protect: `pulumi destroy` refuses to delete the bucket, which has the cluster's snapshots (default); without it the
    bucket is emptied. tags: for the bucket.
    """

    spec: ClusterSpec
    static: bool = True
    kms_key_arn: pulumi.Input[str] | None = None
    protect: bool = True
    tags: Mapping[str, str] | None = None


class AwsArtifacts(pulumi.ComponentResource):
    """A versioned, encrypted, private bucket that speaks TLS only, with the cluster's binaries, bundles and snapshots,
    and what lets new clients in (`node/bootstrap/introduce-clients`).

    Binaries and bundles never expire while the bucket is there: machines that still run an older bundle fetch its
    binaries, and an Auto Scaling group may start one more of those at any time. Snapshots go when they are as old as
    the specification's `interval` x `retain`, in whole days.
    """

    bucket: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AwsArtifactsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:AwsArtifacts", name, {}, opts)
        self._name, self._child = name, pulumi.ResourceOptions(parent=self)
        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            bucket_prefix=prefix(f"{name}-bucket", BUCKET),
            force_destroy=not args.protect,
            tags=named(name, args.tags),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.bucket, self.bucket_arn = bucket.id, bucket.arn
        # What is put there must find all of this: an object keeps the encryption that it was put with.
        self._object = pulumi.ResourceOptions(
            parent=self, retain_on_delete=True, depends_on=self._protected(bucket, args)
        )
        aws.s3.BucketObjectv2(
            f"{name}-client-pools",
            bucket=self.bucket,
            key="client-pools",
            content=client_pools(args.spec),
            content_type="text/plain",
            opts=self._object,
        )
        self._tools = ToolUpload(name, args.spec, args.static, self._put, self._child)
        self.register_outputs({"bucket": self.bucket, "bucket_arn": self.bucket_arn})

    def binaries(self, pool: str, arch: str) -> pulumi.Output[list[dict[str, str]]]:
        """What `machine.bundle.Binary` is made of, for the machines of a pool: known once it has been uploaded."""
        return self._tools.binaries(pool, arch)

    def bundle(self, pool: str, archive_base64: pulumi.Input[str]) -> pulumi.Output[str]:
        """Uploads a pool's bundle; returns its URL (``s3://<bucket>/bundles/<pool>.tar.gz?versionId=<id>``).

        One key a pool, so that the next bundle is an update to Pulumi and replaces nothing. The machines ask for the
        version that their launch template says, which stays what it is.
        """
        pushed = aws.s3.BucketObjectv2(
            f"{self._name}-bundle-{pool}",
            bucket=self.bucket,
            key=f"bundles/{pool}.tar.gz",
            content_base64=archive_base64,
            content_type="application/gzip",
            opts=self._object,
        )
        return pulumi.Output.concat(_url(pushed), "?versionId=", pushed.version_id.apply(_version))

    def _put(self, name: str, key: pulumi.Output[str], content: pulumi.Output[pulumi.Asset]) -> pulumi.Output[str]:
        pushed = aws.s3.BucketObjectv2(
            name,
            bucket=self.bucket,
            key=key,
            source=content,
            content_type="application/octet-stream",
            opts=self._object,
        )
        return _url(pushed)

    def _protected(self, bucket: aws.s3.Bucket, args: AwsArtifactsArgs) -> list[pulumi.Resource]:
        """Everything that makes the bucket safe."""
        kms_key_arn = args.kms_key_arn
        access = aws.s3.BucketPublicAccessBlock(
            f"{self._name}-access",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        # One change of a bucket's access at a time: S3 refuses a second one meanwhile.
        after = pulumi.ResourceOptions(parent=self, depends_on=[access])
        default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="AES256" if kms_key_arn is None else "aws:kms", kms_master_key_id=kms_key_arn
        )
        versioning = aws.s3.BucketVersioning(
            f"{self._name}-versioning",
            bucket=bucket.id,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self._child,
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{self._name}-lifecycle",
            bucket=bucket.id,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="interrupted",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    abort_incomplete_multipart_upload=(
                        aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                            days_after_initiation=7
                        )
                    ),
                ),
                _kept(args.spec),
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="introductions",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="introductions/"),
                    noncurrent_version_expiration=_A_DAY,
                ),
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        return [
            access,
            versioning,
            aws.s3.BucketOwnershipControls(
                f"{self._name}-ownership",
                bucket=bucket.id,
                rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
                opts=after,
            ),
            aws.s3.BucketServerSideEncryptionConfiguration(
                f"{self._name}-encryption",
                bucket=bucket.id,
                rules=[
                    aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                        apply_server_side_encryption_by_default=default, bucket_key_enabled=kms_key_arn is not None
                    )
                ],
                opts=self._child,
            ),
            aws.s3.BucketPolicy(
                f"{self._name}-policy",
                bucket=bucket.id,
                policy=bucket.arn.apply(lambda arn: json.dumps(tls_only(arn))),
                opts=after,
            ),
        ]


def _kept(spec: ClusterSpec) -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    """The rule that ends snapshots which are older than as many as are kept; S3 counts in days."""
    kept = seconds(spec.snapshots.interval) * spec.snapshots.retain
    return aws.s3.BucketLifecycleConfigurationRuleArgs(
        id="snapshots",
        status="Enabled",
        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="snapshots/"),
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=ceil(kept / 86400)),
        noncurrent_version_expiration=_A_DAY,
    )


def tls_only(bucket_arn: str) -> dict[str, Any]:
    """The bucket's policy: nothing without TLS, or with one older than 1.2. It allows nobody anything."""
    resources = [bucket_arn, f"{bucket_arn}/*"]
    conditions = {
        "Plain": {"Bool": {"aws:SecureTransport": "false"}},
        "OldTls": {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
    }
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": sid,
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": resources,
                "Condition": condition,
            }
            for sid, condition in conditions.items()
        ],
    }


def _version(said: str | None) -> str:
    """An object's version. A new bucket's versioning takes up to 15 min; what comes before that has the version "null".

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/manage-versioning-examples.html
    """
    return said or "null"


def _url(pushed: aws.s3.BucketObjectv2) -> pulumi.Output[str]:
    return pulumi.Output.concat("s3://", pushed.bucket, "/", pushed.key)
