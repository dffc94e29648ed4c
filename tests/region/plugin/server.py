"""A stand-in for `pulumi-resource-aws`, for tests: the real engine asks it, and it applies what matters to the region.

It serves the provider protocol as our own plugin does (`hashistack.provider`), with other handlers.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from hashistack.provider import values
from hashistack.provider.handler import Handler
from hashistack.provider.process import engine_address, serve
from hashistack.provider.server import Provider

from . import balancing, compute, functions, identity, network, resource, storage
from .resource import Echo

ASSET = "c44067f5952c0a294b673a41bacd8c17"  # the protocol's marker of an asset

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


class Aws(Provider):
    """The protocol, with what our own resources have no need of: assets and functions."""

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version="7.51.1")

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.GetSchemaResponse(schema="{}")

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        resource.configured.update(values.props(request.args))
        return super().Configure(request, context)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        for value in request.news.fields.values():
            _plain_assets(value)
        return super().Check(request, context)

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            found = functions.answer(request.tok, values.props(request.args))
        except Exception as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{request.tok}: {type(error).__name__}: {error}")
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(values.struct(found))
        return response


def _plain_assets(value: struct_pb2.Value) -> None:
    """Assets become plain objects: here nobody reads the state but this program."""
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        for item in value.list_value.values:
            _plain_assets(item)
    if kind != "struct_value":
        return
    fields = value.struct_value.fields
    if values.SIGNATURE in fields and fields[values.SIGNATURE].string_value == ASSET:
        asset = {name: fields[name].string_value for name in ("path", "text", "hash") if name in fields}
        value.struct_value.CopyFrom(values.struct({storage.ASSET: asset}))
        return
    for item in fields.values():
        _plain_assets(item)


def main() -> None:
    """Serves the engine whose address is the first argument."""
    provider = Aws(engine_address(), handler)
    serve(
        lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server),
        provider.cancelled.set,
        threads=64,
        grace=20.0,
    )


if __name__ == "__main__":
    main()
