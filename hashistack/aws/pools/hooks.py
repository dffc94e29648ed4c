"""Lifecycle hooks: a machine is in service only when it is well, and is ended only when it has left."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from hashistack.aws.checks import HEARTBEAT_SECONDS
from hashistack.aws.ops.groups import LAUNCH_HOOK, TERMINATE_HOOK

LAUNCH_SECONDS = 900
"""How long a new machine may take to be well before its group ends it and tries another."""


@dataclass(frozen=True)
class Hook:
    """One lifecycle hook. `result`: what happens to the machine when nobody has spoken for `seconds`."""

    name: str
    transition: str
    seconds: int
    result: str


HOOKS = (
    Hook(LAUNCH_HOOK, "autoscaling:EC2_INSTANCE_LAUNCHING", LAUNCH_SECONDS, "ABANDON"),
    # A machine that leaves says so every minute (the platform's verb `hold`): no drain is cut off, and nobody waits for
    # one that can't say anything.
    Hook(TERMINATE_HOOK, "autoscaling:EC2_INSTANCE_TERMINATING", HEARTBEAT_SECONDS, "CONTINUE"),
)
"""The two of every pool."""


def initial() -> list[aws.autoscaling.GroupInitialLifecycleHookArgs]:
    """The hooks as a group is born with them: those of `attach` come too late for its first machines."""
    return [
        aws.autoscaling.GroupInitialLifecycleHookArgs(
            name=hook.name,
            lifecycle_transition=hook.transition,
            heartbeat_timeout=hook.seconds,
            default_result=hook.result,
        )
        for hook in HOOKS
    ]


def attach(name: str, group: aws.autoscaling.Group, parent: pulumi.Resource) -> None:
    """The same hooks as resources of their own: those of birth never change, and these can.

    They go with their group and not before it: its machines still have to leave.
    """
    for hook in HOOKS:
        aws.autoscaling.LifecycleHook(
            f"{name}-{hook.name.removeprefix('hashistack-')}-hook",
            autoscaling_group_name=group.name,
            name=hook.name,
            lifecycle_transition=hook.transition,
            heartbeat_timeout=hook.seconds,
            default_result=hook.result,
            opts=pulumi.ResourceOptions(parent=parent, retain_on_delete=True),
        )
