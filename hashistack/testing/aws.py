"""What AWS would say, and our own plugin: plausible ids and ARNs, for `record`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hashistack.testing import plugin
from hashistack.testing.recording import Cloud

_VERSION = "3L4kqtJlcpXroDTDmJ.rmSpX"
"""Of an object; S3's own are as opaque."""


@dataclass(frozen=True)
class Aws(Cloud):
    """An account in one region with three zones, in which everything that is asked for is found."""

    region: str = "eu-west-1"
    account: str = "123456789012"

    def answer(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the invokes of our components return; others raise LookupError."""
        match token.rpartition(":")[2]:
            case "getRegion":
                return {"region": self.region, "name": self.region, "id": self.region}
            case "getCallerIdentity":
                return {"accountId": self.account, "arn": f"arn:aws:iam::{self.account}:root"}
            case "getPartition":
                return {"partition": "aws", "dnsSuffix": "amazonaws.com"}
            case "getAvailabilityZones":
                return {"names": [f"{self.region}{letter}" for letter in "abc"]}
            case "getSubnet":
                return {"id": args["id"], "cidrBlock": f"10.9.{ord(args['id'][-1]) % 64}.0/24"}
            case "getSubnets":
                return {"ids": args["filters"][0]["values"]}
            case "getAmi":
                return {"id": "ami-0123456789abcdef0", "rootDeviceName": "/dev/xvda"}
            case "getNetworkInterfaces":
                return {"ids": ["eni-b", "eni-a", "eni-c"]}
            case "getNetworkInterface":
                return {"privateIp": f"10.0.{ord(args['id'][-1]) - ord('a')}.9"}
            case "awsPreflight":  # of our own plugin: nothing stands against the cluster
                return {"findings": "[]"}
        return super().answer(token, args)

    def outputs(self, type: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a resource of AWS, or one of ours, says beside its inputs."""
        package, _, kind = type.rpartition(":")
        if package == "hashistack:index":
            return plugin.outputs(kind, inputs)
        service, _, resource = package.removeprefix("aws:").partition("/")
        scope = f"{self.region}:{self.account}"
        arn = f"arn:aws:{service}:{scope}:{resource}/{name}"
        named = {"name": inputs.get("name", name)}
        match kind:
            case "Bucket":
                return {"arn": f"arn:aws:s3:::{name}-id", "bucket": f"{name}-id", "region": self.region}
            case "BucketObjectv2":
                return {"arn": f"arn:aws:s3:::{inputs['bucket']}/{inputs['key']}", "versionId": _VERSION}
            case "InstanceProfile" | "Role":
                prefix = "role" if kind == "Role" else "instance-profile"
                return {"arn": f"arn:aws:iam::{self.account}:{prefix}/{name}", **named}
            case "LaunchTemplate":
                return {"arn": arn, "latestVersion": 1, **named}
            case "LoadBalancer":
                balancer = f"arn:aws:elasticloadbalancing:{scope}:loadbalancer/net/{name}/0123456789abcdef"
                return {"arn": balancer, "dnsName": f"{name}-0123456789abcdef.elb.{self.region}.amazonaws.com"}
            case "Secret":
                return {"arn": f"arn:aws:secretsmanager:{scope}:secret:{name}-AbCdEf"}
            case "TargetGroup":
                return {"arn": f"arn:aws:elasticloadbalancing:{scope}:targetgroup/{name}/0123456789abcdef"}
            case "Vpc":
                return {"arn": arn, "ownerId": self.account}
        return {"arn": arn, **named} if kind == "Group" else {"arn": arn}
