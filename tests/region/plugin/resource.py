"""What all of the stand-in's resources share: names, ids, ARNs, tags, and a plain comparison of inputs.

A type that nothing in the region needs is an `Echo`: its inputs, and ids as AWS makes them.
"""

from __future__ import annotations

import os
import re
import secrets
from functools import cache
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config

from hashistack.provider.handler import Context, Diff, Handler, Props, changed

from ..addresses import ACCOUNT
from .shapes import shaped

NAME_LIMITS = {"lb": 32, "iam": 64}
PREFIXES = {
    "Vpc": "vpc", "Subnet": "subnet", "SecurityGroup": "sg", "RouteTable": "rtb", "InternetGateway": "igw",
    "NatGateway": "nat", "VpcEndpoint": "vpce", "FlowLog": "fl", "Eip": "eipalloc", "RouteTableAssociation": "rtbassoc",
    "SecurityGroupIngressRule": "sgr", "SecurityGroupEgressRule": "sgr", "ResolverEndpoint": "rslvr-out",
    "ResolverRule": "rslvr-rr",
}  # fmt: skip
_lock = Lock()


@cache
def _client(service: str, region: str) -> Any:
    # Checksums that nobody asked for travel as chunks with a trailer, which no signature covers.
    # A call is made as often as the real provider makes one.
    config = Config(
        request_checksum_calculation="when_required",
        max_pool_connections=32,
        retries={"mode": "standard", "total_max_attempts": 25},
    )
    return boto3.client(service, region_name=region, config=config)


def client(service: str, region: str) -> Any:
    """One client for all threads."""
    with _lock:  # boto3's own session is not made for threads
        return _client(service, region)


def parameters(api: Any, operation: str, inputs: Props, *path: str) -> Any:
    """`inputs` as the parameters of an API call, or as the part of them at `path`."""
    shape = api.meta.service_model.operation_model(operation).input_shape
    for member in path:
        shape = shape.members[member]
    return shaped(shape, inputs)


configured: dict[str, str] = {}
"""The provider's own configuration, as the engine gave it."""


def default_region() -> str:
    """Where resources are that name no region of their own."""
    return configured.get("region") or os.environ["AWS_REGION"]


class Echo(Handler):
    """Outputs are the inputs, an id and an ARN. `named`: the type has a physical name, which is its id."""

    service = "ec2"
    named = False
    replacing: tuple[str, ...] = ("name", "namePrefix", "vpcId", "availabilityZone")
    moving: tuple[str, ...] = ()
    """Outputs that an update changes: unknown until it is done."""

    def __init__(self, token: str) -> None:
        _, module, self.type = token.split(":")
        self.module = module.split("/")[0]

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        """Creates it; answers its id and what else is known now."""
        if self.module == "iam" or self.named:
            return name, {"name": name}
        return f"{PREFIXES.get(self.type, self.type.lower())}-{secrets.token_hex(8)}0", {}

    def change(self, region: str, id: str, olds: Props, news: Props) -> Props:
        """Changes it in place; answers outputs that differ now."""
        return {}

    def remove(self, region: str, id: str, olds: Props) -> None:
        """Deletes it."""

    def diff(self, ctx: Context, id: str, olds: Props, news: Props) -> Diff:
        names = changed(olds, news)
        again = tuple(name for name in names if name in self.replacing and (olds.get(name) or name in olds))
        return Diff(update=tuple(name for name in names if name not in again), replace=again)

    def preview(self, ctx: Context, olds: Props | None, news: Props) -> Props:
        if olds is None:
            return {}
        return {name: value for name, value in olds.items() if name not in news and name not in self.moving}

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        region = news.get("region") or default_region()
        name = self._name(ctx, news)
        id, made = self.make(region, name, news)
        return id, {**self._common(region, id, news), **made}

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        region = olds["region"]
        kept = {key: value for key, value in olds.items() if key not in news}
        return {**kept, **self._tags(news), **self.change(region, id, olds, news)}

    def delete(self, ctx: Context, id: str, olds: Props) -> None:
        self.remove(olds["region"], id, olds)

    def _name(self, ctx: Context, news: Props) -> str:
        """As the real provider names: as given, by a prefix and a long suffix, or by logical name and a short one."""
        if isinstance(news.get("name"), str):
            return str(news["name"])
        if prefix := news.get("namePrefix") or news.get("bucketPrefix"):
            return f"{prefix}{secrets.token_hex(13)}"
        made = f"{ctx.name.lower() if self.module == 's3' else ctx.name}-{secrets.token_hex(4)[:7]}"
        limit = NAME_LIMITS.get(self.module, 255)
        if len(made) > limit and (self.named or self.module == "iam"):
            raise ValueError(f"failed to generate a name for {ctx.name}: {len(made)} characters, at most {limit}")
        return made

    def _tags(self, news: Props) -> Props:
        return {"tagsAll": news["tags"]} if isinstance(news.get("tags"), dict) else {}

    def _common(self, region: str, id: str, news: Props) -> Props:
        kind = re.sub("(?<=[a-z])(?=[A-Z])", "-", self.type).lower()
        arn = f"arn:aws:{self.module}:{region}:{ACCOUNT}:{kind}/{id}"
        return {"arn": arn, "region": region, **self._tags(news)}

    def read(self, ctx: Context, id: str, olds: Props) -> tuple[str, Props] | None:
        return id, olds
