"""GcpServerPool: the servers, as a regional group that makes anew what is lost and replaces none unasked."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_gcp import compute

from hashistack.gcp import labels
from hashistack.gcp.pools.in_service import GcpInService
from hashistack.gcp.pools.launch import Launch, group, instance_template
from hashistack.machine.roles import SERVER
from hashistack.spec import ServerPool


@dataclass(frozen=True)
class GcpServerPoolArgs:
    """pool: how many servers, of which kind. launch: what they are started with."""

    pool: ServerPool
    launch: Launch


class GcpServerPool(pulumi.ComponentResource):
    """A managed instance group over the pool's zones. A new instance template changes no server that runs: a rollout
    replaces them, one by one."""

    group: pulumi.Output[str]
    """The group manager's name."""
    instance_group: pulumi.Output[str]
    """The group's link, as load balancers take it."""
    template: pulumi.Output[str]
    """The instance template's unique link."""
    made: compute.RegionInstanceGroupManager
    """What is deleted after all that reaches the cluster through the servers."""

    def __init__(self, name: str, args: GcpServerPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpServerPool", name, {}, opts)
        own = labels.of_pool(args.launch.site, SERVER, "server", args.launch.labels)
        template = instance_template(name, args.launch, own, args.pool, (), self)
        self.made = group(name, SERVER, template, args.launch, args.pool.count, (), self)
        GcpInService(name, self.made, args.launch.site, self)
        self.group, self.instance_group = self.made.name, self.made.instance_group
        self.template = template.self_link_unique
        self.register_outputs({"group": self.group})
