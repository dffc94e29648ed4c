"""A cluster in a region: its machines as EC2 instances."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

import boto3

from ..box.prod import Prod
from ..cluster.project import Project, until
from .region import Region


class Datacenter(Prod):
    """What `hashistack up` made in the region."""

    def __init__(self, region: Region, project: Project) -> None:
        super().__init__(project)
        self.region = region
        self.autoscaling = boto3.client("autoscaling", region_name=region.name)
        self.ec2 = boto3.client("ec2", region_name=region.name)

    @property
    def archives(self) -> str:
        (bucket,) = boto3.client("s3", region_name=self.region.name).list_buckets()["Buckets"]
        return f"s3://{bucket['Name']}/by-hand"

    def machines(self, pool: str) -> set[str]:
        return set(self.living(pool))

    def name(self, pool: str, machine: str) -> str:
        return f"{pool}-{machine.removeprefix('i-')}"

    def lose(self, machines: Collection[str]) -> None:
        self.ec2.terminate_instances(InstanceIds=list(machines))

    def group(self, pool: str) -> str:
        return str(next(one for one in self.connection.pools if one.name == pool).template["group"])

    def states(self, pool: str) -> dict[str, str]:
        """Instance to lifecycle state, of those that the pool's group has."""
        found = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.group(pool)])
        return {one["InstanceId"]: one["LifecycleState"] for one in found["AutoScalingGroups"][0]["Instances"]}

    def living(self, pool: str) -> dict[str, str]:
        """The same, without those that EC2 has ended: of a spot machine nobody is left who could end the wait."""
        return {instance: state for instance, state in self.states(pool).items() if self._state(instance) == "running"}

    def resize(self, pool: str, count: int) -> None:
        self.autoscaling.set_desired_capacity(AutoScalingGroupName=self.group(pool), DesiredCapacity=count)

    def arrives(self, pool: str, before: Mapping[str, str], seconds: float = 60) -> str:
        """The instance that the group has besides those of `before`, once there is one."""
        return until(lambda: next(iter(self.states(pool).keys() - before.keys()), ""), seconds, f"{pool} has one more")

    def gone(self, instance: str, seconds: float) -> float:
        """Waits until EC2 has ended the instance; returns how long that took."""
        started = time.monotonic()
        until(lambda: self._state(instance) == "terminated", seconds, f"{instance} is gone:\n{self.console(instance)}")
        return time.monotonic() - started

    def console(self, instance: str) -> str:
        return self.region.machines.console(instance)

    def log(self, instance: str, service: str) -> str:
        """What a service of a machine that still is there has said."""
        output = self.region.machines.container(instance).exec_run(["cat", f"/var/log/hashistack/{service}/current"])[1]
        return str(output.decode(errors="replace"))

    def _state(self, instance: str) -> str:
        (found,) = self.ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        return str(found["Instances"][0]["State"]["Name"])
