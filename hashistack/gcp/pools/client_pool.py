"""GcpClientPool: Nomad clients, as a regional group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp import compute

from hashistack.gcp import labels
from hashistack.gcp.pools.in_service import GcpInService
from hashistack.gcp.pools.launch import Disk, Launch, group, instance_template, of_type
from hashistack.spec import ClientPool


@dataclass(frozen=True)
class GcpPoolOptions:
    """What a client pool may have on Google Cloud beside its specification; nothing by default.

    disks: disks beside the boot disk, for host volumes.
    """

    disks: Sequence[Disk] = ()


@dataclass(frozen=True)
class GcpClientPoolArgs:
    """pool: the specification's. launch: what its machines are started with. servers: the group of the servers through
    which they drain, so that it is deleted after this one."""

    pool: ClientPool
    launch: Launch
    options: GcpPoolOptions = GcpPoolOptions()
    servers: compute.RegionInstanceGroupManager | None = None


class GcpClientPool(pulumi.ComponentResource):
    """A managed instance group over the pool's zones. Machines of it are all spot, or all on-demand.

    A new instance template changes no machine that runs: a rollout replaces them.
    """

    group: pulumi.Output[str]
    """The group manager's name."""
    template: pulumi.Output[str]
    """The instance template's unique link."""

    def __init__(self, name: str, args: GcpClientPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:GcpClientPool", name, {}, opts)
        pool, launch = args.pool, args.launch
        own = labels.of_pool(launch.site, pool.name, "client", launch.labels)
        template = instance_template(name, launch, own, pool, args.options.disks, self)
        flexible = tuple(dict.fromkeys((of_type(pool), *pool.machine_types))) if pool.machine_types else ()
        after = [args.servers] if args.servers else []
        made = group(name, pool.name, template, launch, pool.desired, flexible, self, after)
        GcpInService(name, made, launch.site, self)
        self.group, self.template = made.name, template.self_link_unique
        self.register_outputs({"group": self.group})
