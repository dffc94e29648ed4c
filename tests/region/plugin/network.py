"""VPC, subnets and security groups in moto: what its instances are in."""

from __future__ import annotations

from typing import Any

from hashistack.provider.handler import Props

from .resource import Echo, client


def _tags(kind: str, news: Props) -> list[Any]:
    """By a VPC's and a security group's tags, a preflight sees that the cluster is there."""
    tags = [{"Key": key, "Value": value} for key, value in (news.get("tags") or {}).items()]
    return [{"ResourceType": kind, "Tags": tags}] if tags else []


class Vpc(Echo):
    replacing = ("cidrBlock",)

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        ec2 = client("ec2", region)
        tagged = _tags("vpc", news)
        vpc = ec2.create_vpc(CidrBlock=news["cidrBlock"], TagSpecifications=tagged)["Vpc"]["VpcId"]
        groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
        return vpc, {"defaultSecurityGroupId": groups[0]["GroupId"]}

    def remove(self, region: str, id: str, olds: Props) -> None:
        client("ec2", region).delete_vpc(VpcId=id)


class Subnet(Echo):
    replacing = ("cidrBlock", "vpcId", "availabilityZone")

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        made = client("ec2", region).create_subnet(
            VpcId=news["vpcId"], CidrBlock=news["cidrBlock"], AvailabilityZone=news["availabilityZone"]
        )
        return made["Subnet"]["SubnetId"], {}

    def remove(self, region: str, id: str, olds: Props) -> None:
        client("ec2", region).delete_subnet(SubnetId=id)


class SecurityGroup(Echo):
    named = True
    replacing = ("name", "namePrefix", "description", "vpcId")

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        description = news.get("description") or "Managed by Pulumi"
        made = client("ec2", region).create_security_group(
            GroupName=name,
            Description=description,
            TagSpecifications=_tags("security-group", news),
            **({"VpcId": news["vpcId"]} if news.get("vpcId") else {}),
        )
        return made["GroupId"], {"name": name}

    def remove(self, region: str, id: str, olds: Props) -> None:
        client("ec2", region).delete_security_group(GroupId=id)
