"""Lifecycle hooks: a machine is in service only when it is well, and is ended only when it has left."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from hashistack.aws.checks import hook_seconds
from hashistack.aws.ops.groups import TERMINATE_HOOK
from hashistack.spec.policy import UpgradePolicy

LAUNCH_HOOK = "hashistack-launch"

LAUNCH_SECONDS = 900
"""How long a new machine may take to be well before its group ends it and tries another."""


@dataclass(frozen=True)
class Hook:
    """One lifecycle hook. `result`: what happens to the machine when nobody has spoken for `seconds`."""

    name: str
    transition: str
    seconds: int
    result: str


def hooks(policy: UpgradePolicy) -> tuple[Hook, Hook]:
    """The two hooks of every pool. A drain is never cut off: `checks` refuses one that the second does not outlast."""
    return (
        Hook(LAUNCH_HOOK, "autoscaling:EC2_INSTANCE_LAUNCHING", LAUNCH_SECONDS, "ABANDON"),
        Hook(TERMINATE_HOOK, "autoscaling:EC2_INSTANCE_TERMINATING", hook_seconds(policy), "CONTINUE"),
    )


def initial(policy: UpgradePolicy) -> list[aws.autoscaling.GroupInitialLifecycleHookArgs]:
    """The hooks as a group is born with them: those of `attach` come too late for its first machines."""
    return [
        aws.autoscaling.GroupInitialLifecycleHookArgs(
            name=hook.name,
            lifecycle_transition=hook.transition,
            heartbeat_timeout=hook.seconds,
            default_result=hook.result,
        )
        for hook in hooks(policy)
    ]


def attach(name: str, group: aws.autoscaling.Group, policy: UpgradePolicy, parent: pulumi.Resource) -> None:
    """The same hooks as resources of their own: those of birth never change, and these follow the policy.

    They go with their group and not before it: its machines still have to leave.
    """
    for hook in hooks(policy):
        aws.autoscaling.LifecycleHook(
            f"{name}-{hook.name.removeprefix('hashistack-')}-hook",
            autoscaling_group_name=group.name,
            name=hook.name,
            lifecycle_transition=hook.transition,
            heartbeat_timeout=hook.seconds,
            default_result=hook.result,
            opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=True),
        )
