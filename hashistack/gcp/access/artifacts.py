"""GcpArtifacts: the bucket from which machines fetch what they boot from, everything checked by its digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

import pulumi
from pulumi_gcp import storage

from hashistack.cloud.tool_upload import ToolUpload
from hashistack.gcp import labels
from hashistack.gcp.cluster_id import Scope
from hashistack.machine.config.nomad import client_pools
from hashistack.spec import ClusterSpec
from hashistack.spec.durations import seconds


@dataclass(frozen=True)
class GcpArtifactsArgs:
    """What the bucket holds.

    scope: the cluster's project, region and id.
    spec: the cluster, which says the tools, their versions and the architectures of its pools.
    static: whether only binaries without a C library will do.
    kms_key: key for the bucket's encryption, which Google's storage service agent must be allowed to use; None:
    Google's own.
    protect: `pulumi destroy` refuses to delete the bucket, which has the cluster's snapshots (default); without it the
    bucket is emptied.
    """

    scope: Scope
    spec: ClusterSpec
    static: bool = True
    kms_key: pulumi.Input[str] | None = None
    protect: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)


class GcpArtifacts(pulumi.ComponentResource):
    """A versioned, encrypted, private bucket in the cluster's region, with its binaries, bundles and snapshots, and
    what lets new clients in (`node/bootstrap/introduce-clients`).

    Binaries and bundles never expire while the bucket is there: machines that still run an older bundle fetch its
    binaries, and a group may start one more of those at any time. Snapshots go when they are as old as the
    specification's `interval` x `retain`, in whole days.
    """

    bucket: pulumi.Output[str]

    def __init__(self, name: str, args: GcpArtifactsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpArtifacts", name, {}, opts)
        self._name, self._child = name, pulumi.ResourceOptions(parent=self)
        kept = seconds(args.spec.snapshots.interval) * args.spec.snapshots.retain
        self.bucket = storage.Bucket(
            f"{name}-bucket",
            location=args.scope.region.upper(),  # as Google says it back
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning=storage.BucketVersioningArgs(enabled=True),
            encryption=None
            if args.kms_key is None
            else storage.BucketEncryptionArgs(default_kms_key_name=args.kms_key),
            lifecycle_rules=[
                _delete(age=ceil(kept / 86400), matches_prefixes=["snapshots/"]),
                _delete(days_since_noncurrent_time=1, matches_prefixes=["snapshots/", "introductions/"]),
                storage.BucketLifecycleRuleArgs(
                    action=storage.BucketLifecycleRuleActionArgs(type="AbortIncompleteMultipartUpload"),
                    condition=storage.BucketLifecycleRuleConditionArgs(age=7),
                ),
            ],
            force_destroy=not args.protect,
            labels=labels.of_cluster(args.scope.site, args.labels),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        ).name
        self._object = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        storage.BucketObject(
            f"{name}-client-pools",
            bucket=self.bucket,
            name="client-pools",
            content=client_pools(args.spec),
            content_type="text/plain",
            opts=self._object,
        )
        self._tools = ToolUpload(name, args.spec, args.static, self._put, self._child)
        self.register_outputs({"bucket": self.bucket})

    def binaries(self, pool: str, arch: str) -> pulumi.Output[list[dict[str, str]]]:
        """What `machine.bundle.Binary` is made of, for the machines of a pool: known once it has been uploaded."""
        return self._tools.binaries(pool, arch)

    def bundle(self, pool: str, archive_base64: pulumi.Input[str]) -> pulumi.Output[str]:
        """Uploads a pool's bundle; returns its URL (``gs://<bucket>/bundles/<pool>.tar.gz.base64#<generation>``).

        One key a pool, so that the next bundle is an update to Pulumi and replaces nothing. The machines ask for the
        generation that their instance template says, which stays what it is. It is text, because the provider writes
        only text in place.
        """
        pushed = storage.BucketObject(
            f"{self._name}-bundle-{pool}",
            bucket=self.bucket,
            name=f"bundles/{pool}.tar.gz.base64",
            content=archive_base64,
            content_type="text/plain",
            opts=self._object,
        )
        return pulumi.Output.concat("gs://", self.bucket, "/", pushed.name, "#", pushed.generation.apply(_number))

    def _put(self, name: str, key: pulumi.Output[str], content: pulumi.Output[pulumi.Asset]) -> pulumi.Output[str]:
        storage.BucketObject(
            name,
            bucket=self.bucket,
            name=key,
            source=content,
            content_type="application/octet-stream",
            opts=self._object,
        )
        return pulumi.Output.concat("gs://", self.bucket, "/", key)


def _delete(**condition: object) -> storage.BucketLifecycleRuleArgs:
    return storage.BucketLifecycleRuleArgs(
        action=storage.BucketLifecycleRuleActionArgs(type="Delete"),
        condition=storage.BucketLifecycleRuleConditionArgs(**condition),  # type: ignore[arg-type]
    )


def _number(generation: float) -> str:
    """A generation has 16 digits: numbers of the engine's protocol hold it exactly."""
    return f"{generation:.0f}"
