"""The machines of a cluster on AWS: EC2's list and the lists of its Auto Scaling groups, put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hashistack.aws import tags
from hashistack.aws.ops import groups as asg
from hashistack.aws.ops.groups import Box, Group

if TYPE_CHECKING:
    from types_boto3_autoscaling import AutoScalingClient
    from types_boto3_ec2 import EC2Client


@dataclass(frozen=True)
class Seen:
    """One look.

    groups: by name, those that were asked for and those that machines say they are of. boxes: the machines, oldest
    first. spare: what waits in warm pools, and is no machine of the cluster yet.
    """

    groups: Mapping[str, Group]
    boxes: tuple[Box, ...]
    spare: tuple[Box, ...] = ()

    def lifecycle(self, box: Box) -> str:
        """The state that its group says, "" for a machine that no group has."""
        group = self.groups.get(box.group)
        return group.lifecycles.get(box.id, "") if group else ""

    def state(self, box: Box) -> Literal["running", "leaving", "terminated"]:
        """A rollout's word. What waits for its launch hook runs, and boots. A group replaces what somebody stops."""
        if box.state in ("stopping", "stopped"):
            return "terminated"
        return "leaving" if box.state == "shutting-down" or asg.going(self.lifecycle(box)) else "running"

    def held(self, group: str) -> tuple[Box, ...]:
        """Machines that the group counts towards its desired capacity, and that have not ended behind its back."""
        said = self.groups[group]
        return tuple(box for box in self.boxes if said.holds(box.id) and box.state != "shutting-down")

    def named(self, names: Collection[str]) -> tuple[Box, ...]:
        """The machines of these names, those left out that are no more."""
        return tuple(box for box in self.boxes if name(box) in names)


def look(ec2: EC2Client, autoscaling: AutoScalingClient, site: str, groups: Iterable[str]) -> Seen:
    """What there is of the cluster `site` now; `groups` that do not exist are missing from the answer."""
    found = sorted(asg.boxes(ec2, site), key=lambda box: (box.launched, box.id))
    known = asg.groups(autoscaling, {*groups, *(box.group for box in found)})
    waiting = asg.warm(autoscaling, known.values())
    return Seen(
        known,
        tuple(box for box in found if box.id not in waiting),
        tuple(box for box in found if box.id in waiting),
    )


def name(box: Box) -> str:
    """What the machine calls itself in Nomad, Consul and Vault."""
    return f"{box.tags.get(tags.POOL, '')}-{box.id.removeprefix('i-')}"


def instance_id(name: str) -> str:
    """The instance that calls itself so."""
    return f"i-{name.rpartition('-')[2]}"
