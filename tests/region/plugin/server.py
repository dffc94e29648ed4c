"""A stand-in for `pulumi-resource-aws`, for tests: the real engine asks it, and it applies what matters here."""

from __future__ import annotations

from functools import cache

from hashistack.provider.handler import Handler

from ...box.plugin import StandIn
from . import balancing, compute, functions, identity, network, resource, storage
from .resource import Echo

HANDLERS: dict[str, type[Echo]] = {
    "aws:ec2/vpc:Vpc": network.Vpc,
    "aws:ec2/subnet:Subnet": network.Subnet,
    "aws:ec2/securityGroup:SecurityGroup": network.SecurityGroup,
    "aws:s3/bucket:Bucket": storage.Bucket,
    "aws:s3/bucketVersioning:BucketVersioning": storage.BucketVersioning,
    "aws:s3/bucketObject:BucketObject": storage.BucketObject,
    "aws:s3/bucketObjectv2:BucketObjectv2": storage.BucketObject,
    "aws:secretsmanager/secret:Secret": storage.Secret,
    "aws:secretsmanager/secretVersion:SecretVersion": storage.SecretVersion,
    "aws:kms/key:Key": storage.Key,
    "aws:iam/role:Role": identity.Role,
    "aws:iam/rolePolicy:RolePolicy": identity.RolePolicy,
    "aws:iam/instanceProfile:InstanceProfile": identity.InstanceProfile,
    "aws:ec2/launchTemplate:LaunchTemplate": compute.LaunchTemplate,
    "aws:autoscaling/group:Group": compute.Group,
    "aws:autoscaling/lifecycleHook:LifecycleHook": compute.LifecycleHook,
    "aws:lb/loadBalancer:LoadBalancer": balancing.LoadBalancer,
    "aws:lb/targetGroup:TargetGroup": balancing.TargetGroup,
    "aws:lb/listener:Listener": balancing.Listener,
}


@cache
def handler(token: str) -> Handler:
    return HANDLERS.get(token, Echo)(token)


def main() -> None:
    """Serves the engine whose address is the first argument."""
    StandIn("7.51.1", handler, functions.answer, resource.configured).run()


if __name__ == "__main__":
    main()
