"""Auto Scaling groups as a driver sees them: what they run, what they make, what they said last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from hashistack.aws import tags

if TYPE_CHECKING:
    from types_boto3_autoscaling import AutoScalingClient
    from types_boto3_ec2 import EC2Client

LAUNCH_HOOK, TERMINATE_HOOK = "hashistack-launch", "hashistack-terminate"
_NAMES = 50
"""Groups asked for in one call; AWS answers for at most 100."""
_PAGE = 1000
"""Instances in one answer, the most that EC2 gives."""
_PRESENT = ("pending", "running", "shutting-down", "stopping", "stopped")
_OFF = ("stopping", "stopped", "shutting-down", "terminated")
_LISTED_WITHIN = timedelta(minutes=5)
"""How long EC2 may take to list an instance that is there.
https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html"""
_GOING = ("Terminating", "Terminated", "Detaching", "Detached")


@dataclass(frozen=True)
class Group:
    """One Auto Scaling group. `lifecycles`: instance id to lifecycle state, as `InService` or `Terminating:Wait`.

    template: id and version of the launch template that its machines are made from. suspended: its stopped processes.
    warm: it has a warm pool.
    """

    name: str
    least: int
    desired: int
    most: int
    template: tuple[str, str]
    suspended: tuple[str, ...] = ()
    warm: bool = False
    lifecycles: dict[str, str] = field(default_factory=dict)

    def holds(self, instance: str) -> bool:
        """Whether it counts this instance towards its desired capacity: one that goes, or stands by, is not counted."""
        lifecycle = self.lifecycles.get(instance, "")
        return bool(lifecycle) and not going(lifecycle) and not lifecycle.endswith("Standby")


@dataclass(frozen=True)
class Box:
    """One EC2 instance with our tags. `state` is EC2's own word."""

    id: str
    state: str
    launched: datetime
    tags: dict[str, str]
    zone: str

    @property
    def group(self) -> str:
        return self.tags.get(tags.GROUP, "")


def going(lifecycle: str) -> bool:
    """Whether a lifecycle state means that the group takes the instance away."""
    return lifecycle.startswith(_GOING)


def groups(autoscaling: AutoScalingClient, names: Iterable[str]) -> dict[str, Group]:
    """The groups of these names, those left out that do not exist."""
    wanted, found = sorted(set(names) - {""}), {}
    for start in range(0, len(wanted), _NAMES):
        some = wanted[start : start + _NAMES]
        for page in autoscaling.get_paginator("describe_auto_scaling_groups").paginate(AutoScalingGroupNames=some):
            for one in page["AutoScalingGroups"]:
                found[one["AutoScalingGroupName"]] = _group(one)
    return found


def _group(said: Any) -> Group:
    mixed = said.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    template = said.get("LaunchTemplate") or mixed or {}
    return Group(
        name=said["AutoScalingGroupName"],
        least=said["MinSize"],
        desired=said["DesiredCapacity"],
        most=said["MaxSize"],
        template=(template.get("LaunchTemplateId", ""), str(template.get("Version", ""))),
        suspended=tuple(one["ProcessName"] for one in said.get("SuspendedProcesses", ())),
        warm="WarmPoolConfiguration" in said,
        lifecycles={one["InstanceId"]: one["LifecycleState"] for one in said.get("Instances", ())},
    )


def boxes(ec2: EC2Client, site: str) -> Iterator[Box]:
    """Every instance that carries the tag of the cluster, those left out that are terminated."""
    filters: Sequence[Any] = (
        {"Name": f"tag:{tags.CLUSTER}", "Values": [site]},
        {"Name": "instance-state-name", "Values": list(_PRESENT)},
    )
    for page in ec2.get_paginator("describe_instances").paginate(Filters=filters, PaginationConfig={"PageSize": _PAGE}):
        for reservation in page["Reservations"]:
            for one in reservation["Instances"]:
                said = {tag["Key"]: tag["Value"] for tag in one.get("Tags", ())}
                launched, zone = one["LaunchTime"].astimezone(UTC), one["Placement"]["AvailabilityZone"]
                yield Box(one["InstanceId"], one["State"]["Name"], launched, said, zone)


def warm(autoscaling: AutoScalingClient, found: Iterable[Group]) -> set[str]:
    """The instances that wait in the groups' warm pools: none of them is a machine of the cluster yet."""
    return {instance for group in found for instance in _warm(autoscaling, group)}


def _warm(autoscaling: AutoScalingClient, group: Group) -> dict[str, str]:
    """The same of one group, each with its lifecycle state, as `Warmed:Stopped`."""
    if not group.warm:
        return {}
    pages = autoscaling.get_paginator("describe_warm_pool").paginate(AutoScalingGroupName=group.name)
    return {one["InstanceId"]: one["LifecycleState"] for page in pages for one in page.get("Instances", ())}


def let_go_of_dead(ec2: EC2Client, autoscaling: AutoScalingClient, group: Group) -> None:
    """Have the group wait no longer, at either hook, for instances that are off and so can't end the wait.

    One that EC2 does not list is gone, unless its group started or ended it just now: EC2 lists it a little later.
    """
    lifecycles = {**group.lifecycles, **_warm(autoscaling, group)}
    waiting = {instance: lifecycle for instance, lifecycle in lifecycles.items() if lifecycle.endswith(":Wait")}
    if not waiting:
        return
    pages = ec2.get_paginator("describe_instances").paginate(Filters=[{"Name": "instance-id", "Values": list(waiting)}])
    found = [one for page in pages for several in page["Reservations"] for one in several["Instances"]]
    states = {one["InstanceId"]: one["State"]["Name"] for one in found}
    unlisted = {*waiting} - {*states}
    dead = {instance for instance, state in states.items() if state in _OFF} | unlisted
    if unlisted:
        recent = " ".join(_recent_activities(autoscaling, group.name))
        dead -= {instance for instance in unlisted if instance in recent}
    for instance, lifecycle in waiting.items():
        if instance in dead:
            let_go(autoscaling, group.name, instance, launched=lifecycle.endswith("Terminating:Wait"))


def _recent_activities(autoscaling: AutoScalingClient, group: str) -> Iterator[str]:
    """What the group did within `_LISTED_WITHIN`, as "Launching a new EC2 instance: i-0123456789abcdef0"."""
    since = datetime.now(UTC) - _LISTED_WITHIN
    for page in autoscaling.get_paginator("describe_scaling_activities").paginate(AutoScalingGroupName=group):
        for one in page["Activities"]:  # the newest first
            if one["StartTime"] < since:
                return
            yield one["Description"]


def let_go(autoscaling: AutoScalingClient, group: str, instance: str, launched: bool = True) -> None:
    """Have the group wait no longer for an instance that it takes away; or, not `launched`, that it was to have."""
    try:
        autoscaling.complete_lifecycle_action(
            LifecycleHookName=TERMINATE_HOOK if launched else LAUNCH_HOOK,
            AutoScalingGroupName=group,
            InstanceId=instance,
            LifecycleActionResult="CONTINUE" if launched else "ABANDON",
        )
    except ClientError as error:
        if "No active Lifecycle Action" not in str(error):  # else it was completed at this moment
            raise


def template_bundle(ec2: EC2Client, template: str, version: str) -> str:
    """The digest with which a version of a launch template tags its instances, "" where it tags none."""
    said = ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=[version])
    for one in said["LaunchTemplateVersions"]:
        for specification in one["LaunchTemplateData"].get("TagSpecifications", ()):
            if specification.get("ResourceType") == "instance":
                for tag in specification.get("Tags", ()):
                    if tag["Key"] == tags.BUNDLE:
                        return tag["Value"]
    return ""


def last_activity(autoscaling: AutoScalingClient, group: str) -> str:
    """What the group says of the last thing that it tried, e.g. that there is no spot capacity; "" for nothing."""
    said = autoscaling.describe_scaling_activities(AutoScalingGroupName=group, MaxRecords=1)["Activities"]
    if not said:
        return ""
    return " ".join((said[0].get("StatusMessage") or f"{said[0]['Description']}: {said[0]['StatusCode']}").split())
