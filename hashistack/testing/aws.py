"""What AWS would answer, for `record`: an account in eu-west-1, plausible ARNs, and what our own resources make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCOUNT = "123456789012"
REGION = "eu-west-1"

ANSWERS: dict[str, Any] = {
    "aws:index/getRegion:getRegion": {"region": REGION, "name": REGION, "id": REGION},
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root"},
    "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com"},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {
        "names": [f"{REGION}{letter}" for letter in "abc"],
        "zoneIds": [f"euw1-az{n}" for n in (1, 2, 3)],
    },
    "aws:ec2/getVpc:getVpc": lambda args: {"id": args["id"], "cidrBlock": "10.9.0.0/16"},
    "aws:ec2/getSubnets:getSubnets": lambda args: {"ids": list(args["filters"][0]["values"])},
    "aws:ec2/getAmi:getAmi": {"id": "ami-0123456789abcdef0", "imageId": "ami-0123456789abcdef0"},
    "aws:ec2/getNetworkInterfaces:getNetworkInterfaces": {"ids": ["eni-b", "eni-a", "eni-c"]},
    "aws:ec2/getNetworkInterface:getNetworkInterface": lambda args: {"privateIp": f"10.0.{ord(args['id'][-1]) - 97}.9"},
    "aws:ssm/getParameter:getParameter": {"value": "ami-0123456789abcdef0"},
}
"""Answers to the invokes that the components make."""

_MATERIAL = "-----BEGIN MADE UP-----\nnothing\n-----END MADE UP-----\n"
_DIGEST = "5e" * 32


def outputs(type: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a resource of AWS, or one of ours, says beside its inputs."""
    if type.startswith("hashistack:"):
        return _ours(type.rpartition(":")[2], inputs)
    package, _, kind = type.partition("/")
    service = package.removeprefix("aws:")
    found: dict[str, Any] = {"arn": f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind.partition(':')[0]}/{name}"}
    match kind.partition(":")[2]:
        case "Bucket":
            found |= {"arn": f"arn:aws:s3:::{name}-id", "bucket": f"{name}-id", "region": REGION}
        case "InstanceProfile" | "Role":
            found |= {"arn": f"arn:aws:iam::{ACCOUNT}:{service}/{name}", "name": inputs.get("name", name)}
        case "Group" | "RolePolicy" | "TargetGroup":
            found |= {"name": inputs.get("name", name)}
        case "LaunchTemplate":
            found |= {"latestVersion": 1, "defaultVersion": 1}
        case "LoadBalancer":
            found |= {
                "arn": f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/net/{name}/0123456789abcdef",
                "dnsName": f"{name}-0123456789abcdef.elb.{REGION}.amazonaws.com",
            }
        case "Vpc":
            found |= {"ownerId": ACCOUNT, "mainRouteTableId": "rtb-main"}
    return found


def _ours(kind: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    match kind:
        case "CertificateAuthority" | "RoleCertificate":
            return {"cert_pem": _MATERIAL, "key_pem": _MATERIAL, "not_after": "2030-01-01T00:00:00+00:00"}
        case "GossipKey":
            return {"key": "bm90aGluZyBhdCBhbGwsIG1hZGUgdXAgZm9yIHRlc3Q="}
        case "TokenSet":
            return {"ids": {name: f"made-up-id-of-{name}" for name in inputs["names"]}}
        case "Tools":
            return {
                "tools": {
                    tool: {
                        "version": version,
                        "sha256": _DIGEST,
                        "path": f"/cache/{tool}/{'cni.tar' if tool == 'cni' else tool}",
                    }
                    for tool, version in inputs["versions"].items()
                }
            }
    return {}
