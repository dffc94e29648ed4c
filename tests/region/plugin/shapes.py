"""From Pulumi's inputs to a call's parameters by botocore's model of it: an input that the model lacks is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

# What Terraform's provider, and so Pulumi's, calls otherwise than the API: (structure, input) -> member.
RENAMED = {
    ("RequestLaunchTemplateData", "vpcSecurityGroupIds"): "SecurityGroupIds",
    ("LaunchTemplateInstanceNetworkInterfaceSpecificationRequest", "securityGroups"): "Groups",
    ("LaunchTemplateSpecification", "id"): "LaunchTemplateId",
    ("LaunchTemplateSpecification", "name"): "LaunchTemplateName",
    ("CreateAutoScalingGroupType", "initialLifecycleHooks"): "LifecycleHookSpecificationList",
    ("CreateAutoScalingGroupType", "protectFromScaleIn"): "NewInstancesProtectedFromScaleIn",
    ("UpdateAutoScalingGroupType", "protectFromScaleIn"): "NewInstancesProtectedFromScaleIn",
    ("LifecycleHookSpecification", "name"): "LifecycleHookName",
    ("PutLifecycleHookType", "name"): "LifecycleHookName",
}


def shaped(shape: Shape, value: Any) -> Any:
    """`value` as the API takes it: names and types are the model's; maps of tags become lists of them."""
    if isinstance(shape, StructureShape):
        return {
            (member := _member(shape, name)): shaped(shape.members[member], inner)
            for name, inner in value.items()
            if inner is not None
        }
    if isinstance(shape, ListShape):
        if isinstance(value, Mapping):
            return [{"Key": key, "Value": text} for key, text in value.items()]
        return [shaped(shape.member, inner) for inner in value]
    match shape.type_name:
        case "boolean":
            return value in (True, "true")
        case "integer" | "long":
            return int(value)
        case "string":
            return str(value)
        case _:
            return value


def _member(shape: StructureShape, name: str) -> str:
    wanted = RENAMED.get((shape.name, name), name)
    for member in shape.members:
        if member.lower() == wanted.lower():
            return str(member)
    raise KeyError(f"{shape.name} of the API has no {name}")
