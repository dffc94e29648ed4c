"""Auto Scaling groups as a rollout's pools: what AWS can do with the machines of a cluster.

The group that a stack made says what a machine is: `pulumi up` has pinned its launch template's version. The driver
only says how many there are and which one goes, one change at a time; the group's hook then has the machine drain.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from hashistack.aws import tags
from hashistack.aws.ops import groups as asg
from hashistack.aws.ops import machines, session
from hashistack.aws.ops.groups import Box, Group
from hashistack.aws.ops.machines import Seen
from hashistack.cloud import group_driver
from hashistack.ops.api.connection import Connection, Pool
from hashistack.ops.rollout.driver import DriverFailed, Instance

if TYPE_CHECKING:
    from types_boto3_autoscaling import AutoScalingClient
    from types_boto3_ec2 import EC2Client

HOOK_SECONDS = 20.0
"""For a group to come to its termination hook: it leaves load balancers first, which may take longer."""


class AwsDriver(group_driver.GroupDriver):
    """The machines of one cluster on AWS, by their tags and their Auto Scaling groups. See `ops.driver.PoolDriver`.

    session: the operator's credentials; None takes the stack's profile, or those of the environment.
    """

    cloud = "AWS"
    cannot_stop = (
        "on AWS an Auto Scaling group replaces instances that stop, and with them their data. Next: give pools a "
        "smaller `desired`. After hashistack down no archive of the cluster can be restored"
    )
    boot_seconds = 840.0
    """Within the 15 min that the launch hook waits: then the group ends the machine, and its console is gone."""
    leave_seconds = 480.0
    """A load balancer may hold a target for 5 min before the hook has it leave; EC2 takes a minute or two to end it."""

    def __init__(self, connection: Connection, session: boto3.Session | None = None) -> None:
        self._site, self._given, self._connection = connection.name, session, connection
        self._pools = {pool.name: pool for pool in connection.pools}

    def instances(self) -> tuple[Instance, ...]:
        now = datetime.now(UTC)
        seen = self._look()
        return tuple(
            Instance(
                name=machines.name(box),
                pool=box.tags.get(tags.POOL, ""),
                bundle=box.tags.get(tags.BUNDLE, ""),
                state=seen.state(box),
                age=max(0.0, (now - box.launched).total_seconds()),
            )
            for box in seen.boxes
        )

    def reach(self) -> dict[str, dict[str, str]]:
        """Machine to Ansible's variables for a session of AWS's agent, and its zone."""
        return {
            machines.name(box): {
                "ansible_connection": "amazon.aws.aws_ssm",
                "ansible_host": box.id,
                "ansible_aws_ssm_region": self._ec2.meta.region_name,
                "hashistack_zone": box.zone,
            }
            for box in self._look().boxes
        }

    def size(self, pool: Pool) -> int:
        return self._sizes[pool.name]

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Of all pools, once: the rollout changes what the groups say."""
        seen = self._look()
        return {pool.name: _size(pool, seen, self._group(pool.name)) for pool in self._pools.values()}

    def check(self, pool: str) -> None:
        group = self._look().groups[self._group(pool)]
        self._fit(pool, group)
        # A machine that was reclaimed or stopped says nothing any more, and would be held for the whole hook.
        with _asking():
            asg.let_go_of_dead(self._ec2, self._autoscaling, group)

    def grow(self, pool: str, count: int) -> tuple[str, ...]:
        name, seen = self._group(pool), self._look()
        group, held = seen.groups[name], seen.held(name)
        self._fit(pool, group)
        # What an earlier call asked for, and is not there yet, is part of `count`.
        target = max(group.desired, len(held) + count)
        if target > group.most:
            raise DriverFailed(
                f"{pool}: there are {len(held)} machines, {count} more are needed for a while, and its Auto Scaling "
                f"group {name} may have {group.most}",
                "give the pool a higher `max` (or a lower `upgrade.max_surge`), then hashistack up",
            )
        if target > group.desired:
            with _asking():
                self._refuse_spare(pool, seen)
                self._autoscaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=target)
        return self._arrivals(pool, name, {box.id for box in held}, count)

    def terminate(self, names: Sequence[str]) -> None:
        self._take(names)

    def discard(self, names: Sequence[str]) -> None:
        self._take(names)
        self._let_go(names)

    def evidence(self, name: str) -> str:
        try:
            found = self._look().named({name})
            with _asking():
                told = [self._console(box.id) or asg.last_activity(self._autoscaling, box.group) for box in found]
        except DriverFailed as error:
            return f"{name}: its console can't be read: {error}"  # a failed rollout has its own reason to tell
        return "\n".join(told)

    def _look(self) -> Seen:
        """Everything now. Without all the declared groups nothing is known: no machine may be taken for lost."""
        wanted = {self._group(pool) for pool in self._pools}
        with _asking():
            seen = machines.look(self._ec2, self._autoscaling, self._site, wanted)
        if missing := sorted(wanted - seen.groups.keys()):
            raise DriverFailed(*self._without(missing))
        return seen

    def _without(self, missing: Sequence[str]) -> tuple[str, str]:
        with _asking():
            caller = self._session.client("sts", config=session.CONFIG).get_caller_identity()
        return (
            f"account {caller['Account']} has no Auto Scaling group {', '.join(missing)} in {self._region}, as "
            f"{caller['Arn']} sees it",
            "export AWS_PROFILE=NAME of the cluster's own account; or, where somebody "
            "deleted it, pulumi refresh and hashistack up",
        )

    def _fit(self, pool: str, group: Group) -> None:
        """Refuses a group that would not make what the stack declares."""
        again = "pulumi up (or hashistack up), so that both agree"
        declared = self._pools[pool]
        template = declared.template.get("launch_template") or {}
        wanted = (str(template.get("id", "")), str(template.get("version", "")))
        if group.template != wanted:
            made, stack = (f"version {version or '?'} of {id or 'none'}" for id, version in (group.template, wanted))
            raise DriverFailed(
                f"{pool}: the Auto Scaling group {group.name} makes machines from launch template {made}, and the "
                f"stack declares {stack}",
                again,
            )
        if off := sorted({"Launch", "Terminate"} & set(group.suspended)):
            raise DriverFailed(
                f"{pool}: {' and '.join(off)} of the Auto Scaling group {group.name} is suspended",
                f"aws autoscaling resume-processes --region {self._region} --auto-scaling-group-name {group.name} "
                f"--scaling-processes {' '.join(off)}",
            )
        with _asking():
            bundle = asg.template_bundle(self._ec2, *wanted)
        if bundle != declared.bundle:
            raise DriverFailed(
                f"{pool}: launch template {wanted[0]} makes bundle {bundle[:12] or 'none'} in version {wanted[1]}, "
                f"and the stack declares {declared.bundle[:12]}",
                again,
            )

    def _refuse_spare(self, pool: str, seen: Seen) -> None:
        """Take away what a warm pool holds of another bundle, or a machine that joins would be outdated at once."""
        declared = self._pools[pool]
        mine = [box for box in seen.spare if box.tags.get(tags.POOL) == pool]
        if old := [box.id for box in mine if box.tags.get(tags.BUNDLE) != declared.bundle]:
            self._ec2.terminate_instances(InstanceIds=old)

    def _arrivals(self, pool: str, group: str, before: set[str], count: int) -> tuple[str, ...]:
        """The names of `count` machines that were not there before, once they are listed."""
        new = group_driver.arrivals(
            lambda: [machines.name(box) for box in self._look().held(group) if box.id not in before], count
        )
        if len(new) >= count:
            return new
        with _asking():
            said = asg.last_activity(self._autoscaling, group) or "nothing"
        raise DriverFailed(
            f"{pool}: {len(new)} of {count} machines were started within {group_driver.LISTED_SECONDS:.0f} s, and the "
            f"Auto Scaling group {group} goes on trying. It says: {said}",
            "mend that, or give the pool other `machine_types`; then repeat",
        )

    def _take(self, names: Collection[str]) -> None:
        """Have machines taken away; those that are on their way already are left alone."""
        seen = self._look()
        desired = {name: group.desired for name, group in seen.groups.items()}
        for box in seen.named(names):
            if seen.state(box) == "leaving":
                continue
            group = seen.groups.get(box.group)
            with _asking():
                try:
                    if group is None or not group.holds(box.id):
                        self._ec2.terminate_instances(InstanceIds=[box.id])
                        continue
                    # At its least size the group itself starts the successor, from what the stack declares.
                    fewer = desired[group.name] > group.least
                    self._autoscaling.terminate_instance_in_auto_scaling_group(
                        InstanceId=box.id, ShouldDecrementDesiredCapacity=fewer
                    )
                    desired[group.name] -= fewer
                except ClientError:
                    if not self._goes(box):  # else somebody else took it at this moment
                        raise

    def _goes(self, box: Box) -> bool:
        seen = self._look()
        return all(seen.state(one) == "leaving" for one in seen.boxes if one.id == box.id)

    def _let_go(self, names: Collection[str]) -> None:
        """Have the groups not wait for these machines' own drain: nobody there could end it."""
        deadline = time.monotonic() + HOOK_SECONDS
        while True:
            seen = self._look()
            on_their_way = 0
            for box in seen.named(names):
                lifecycle = seen.lifecycle(box)
                on_their_way += lifecycle == "Terminating"
                if lifecycle == "Terminating:Wait":
                    with _asking():
                        asg.let_go(self._autoscaling, box.group, box.id)
            # Later, the next look finds them leaving, and the rollout discards them again.
            if not on_their_way or time.monotonic() > deadline:
                return
            time.sleep(group_driver.POLL_SECONDS)

    def _console(self, instance: str) -> str:
        try:
            said = self._ec2.get_console_output(InstanceId=instance, Latest=True)
        except ClientError as error:
            if error.response["Error"]["Code"] != "UnsupportedOperation":
                raise
            said = self._ec2.get_console_output(InstanceId=instance)  # machine types that are not Nitro's
        return group_driver.evidence(said.get("Output", ""))

    def _group(self, pool: str) -> str:
        return str(self._of_template(pool, "group"))

    @cached_property
    def _region(self) -> str:
        return str(self._of_template(next(iter(self._pools)), "region"))

    def _of_template(self, pool: str, key: str) -> object:
        if value := self._pools[pool].template.get(key):
            return value
        raise DriverFailed(
            f"{pool}: the stack names no {key} of its machines", "pulumi up (or hashistack up), so that it does"
        )

    @cached_property
    def _session(self) -> boto3.Session:
        with _asking():
            return self._given or session.of(self._connection)

    @cached_property
    def _ec2(self) -> EC2Client:
        return self._session.client("ec2", region_name=self._region, config=session.CONFIG)

    @cached_property
    def _autoscaling(self) -> AutoScalingClient:
        return self._session.client("autoscaling", region_name=self._region, config=session.CONFIG)


@contextmanager
def _asking() -> Iterator[None]:
    """Tells a failed call as the rollout's own error, in one sentence with the next command."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        failed = session.failure(error)
        raise DriverFailed(failed.what, failed.remedy) from error


def _size(pool: Pool, seen: Seen, name: str) -> int:
    group, bundles = seen.groups[name], {box.tags.get(tags.BUNDLE) for box in seen.held(name)}
    return group_driver.size(pool, group.desired, group.most, rolling=len(bundles) > 1)
