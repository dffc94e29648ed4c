"""Roles and instance profiles in moto: the metadata service gives out their credentials."""

from __future__ import annotations

import secrets

from hashistack.provider.handler import Props

from .resource import Echo, client


class Role(Echo):
    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        made = client("iam", region).create_role(RoleName=name, AssumeRolePolicyDocument=news["assumeRolePolicy"])[
            "Role"
        ]
        return name, {"name": name, "arn": made["Arn"], "uniqueId": made["RoleId"]}

    def remove(self, region: str, id: str, olds: Props) -> None:
        client("iam", region).delete_role(RoleName=id)


class RolePolicy(Echo):
    replacing = ("name", "namePrefix", "role")

    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        self._put(region, name, news)
        return f"{news['role']}:{name}", {"name": name}

    def change(self, region: str, id: str, olds: Props, news: Props) -> Props:
        self._put(region, olds["name"], news)
        return {}

    def remove(self, region: str, id: str, olds: Props) -> None:
        client("iam", region).delete_role_policy(RoleName=olds["role"], PolicyName=olds["name"])

    def _put(self, region: str, name: str, news: Props) -> None:
        client("iam", region).put_role_policy(RoleName=news["role"], PolicyName=name, PolicyDocument=news["policy"])


class InstanceProfile(Echo):
    def make(self, region: str, name: str, news: Props) -> tuple[str, Props]:
        iam = client("iam", region)
        made = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=news["role"])
        return name, {"name": name, "arn": made["Arn"], "uniqueId": secrets.token_hex(8)}

    def remove(self, region: str, id: str, olds: Props) -> None:
        iam = client("iam", region)
        iam.remove_role_from_instance_profile(InstanceProfileName=id, RoleName=olds["role"])
        iam.delete_instance_profile(InstanceProfileName=id)
