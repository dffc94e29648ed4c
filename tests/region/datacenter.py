"""A cluster in a region: its APIs through the load balancer, its machines as EC2 instances."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import boto3

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import ApiError, Method
from hashistack.ops.readiness.checks import readiness, wait

from ..cluster.project import Project, until
from .region import Region


class Datacenter:
    """What `hashistack up` made in the region."""

    def __init__(self, region: Region, project: Project) -> None:
        self.region, self.project = region, project
        said = project.pulumi("stack", "output", "connection", "--show-secrets")
        self.connection = Connection.parse(json.loads(said))
        self.cluster = Cluster(self.connection)
        self.autoscaling = boto3.client("autoscaling", region_name=region.name)
        self.ec2 = boto3.client("ec2", region_name=region.name)

    def nomad(self, path: str, body: Any = None, method: Method | None = None) -> Any:
        return self.cluster.nomad.api.call(
            method or ("GET" if body is None else "PUT"), path, body=body, seconds=10
        ).data

    def consul(self, path: str) -> Any:
        return self.cluster.consul.api.call("GET", path, seconds=10).data

    def ready(self, seconds: float, smoke: bool = False) -> None:
        """Waits until the cluster is all that is declared."""
        wait(self.cluster, readiness(self.connection, smoke), seconds, lambda update: None)

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

    def left(self, name: str) -> bool:
        """Whether nothing is known any more of a client machine that was called so."""
        nodes = [one["Name"] for one in self.nomad("/v1/nodes") if one["Status"] != "down"]
        try:
            members = [one["Node"] for one in self.consul("/v1/catalog/nodes")]
        except ApiError:
            return False
        return name not in nodes and name not in members

    def _state(self, instance: str) -> str:
        (found,) = self.ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        return str(found["Instances"][0]["State"]["Name"])
