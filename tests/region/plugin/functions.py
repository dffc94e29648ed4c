"""Functions of the provider that the components call: look-ups, answered from moto where it knows."""

from __future__ import annotations

import hashlib
from typing import Any

from hashistack.provider.handler import Props

from .resource import client, default_region


def answer(token: str, args: Props) -> Props:
    """What the function of this token says; raises LookupError for one that the stand-in doesn't have."""
    region = args.get("region") or default_region()
    match token.rpartition(":")[2]:
        case "getRegion":
            return {"id": region, "region": region, "name": region, "endpoint": f"ec2.{region}.amazonaws.com"}
        case "getPartition":
            return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}
        case "getCallerIdentity":
            found = client("sts", region).get_caller_identity()
            return {
                "id": found["Account"],
                "accountId": found["Account"],
                "arn": found["Arn"],
                "userId": found["UserId"],
            }
        case "getAvailabilityZones":
            zones = client("ec2", region).describe_availability_zones()["AvailabilityZones"]
            names = [zone["ZoneName"] for zone in zones]
            return {**args, "id": region, "names": names, "zoneIds": [zone["ZoneId"] for zone in zones]}
        case "getAmi":
            return {**args, **_image(args)}
        case "getSubnet":
            found = client("ec2", region).describe_subnets(SubnetIds=[args["id"]])["Subnets"][0]
            return {**args, "cidrBlock": found["CidrBlock"]}
        case "getSubnets":
            found = client("ec2", region).describe_subnets(Filters=_filters(args))["Subnets"]
            return {**args, "id": region, "ids": [one["SubnetId"] for one in found]}
        case "getNetworkInterfaces":
            found = client("ec2", region).describe_network_interfaces(Filters=_filters(args))["NetworkInterfaces"]
            return {**args, "id": region, "ids": [one["NetworkInterfaceId"] for one in found]}
        case "getNetworkInterface":
            found = client("ec2", region).describe_network_interfaces(NetworkInterfaceIds=[args["id"]])
            return {**args, "privateIp": found["NetworkInterfaces"][0]["PrivateIpAddress"]}
    raise LookupError(f"the stand-in has no function {token}")


def _filters(args: Props) -> list[dict[str, Any]]:
    return [{"Name": each["name"], "Values": each["values"]} for each in args.get("filters") or ()]


def _image(args: Props) -> Props:
    """An image for every question: its id is that of the name, and the machines are the same whatever it is."""
    asked = {each["name"]: each["values"][0] for each in args.get("filters") or ()}
    id = asked.get("image-id") or f"ami-{hashlib.sha256(asked.get('name', '').encode()).hexdigest()[:17]}"
    return {
        "id": id,
        "imageId": id,
        "name": asked.get("name", id).replace("*", "0"),
        "architecture": asked.get("architecture", "x86_64"),
        "rootDeviceName": "/dev/xvda",
        "state": "available",
    }
