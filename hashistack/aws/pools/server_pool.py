"""AwsServerPool: the servers, as an Auto Scaling group that never replaces one unasked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from hashistack.aws import tags
from hashistack.aws.pools import hooks, machine_types
from hashistack.aws.pools.in_service import AwsInService
from hashistack.aws.pools.launch import Launch, group_tags, launch_template, pinned
from hashistack.machine.roles import SERVER
from hashistack.spec import ServerPool, UpgradePolicy

_MOST_SERVERS = 5


@dataclass(frozen=True)
class AwsServerPoolArgs:
    """pool: how many servers, of which kind. upgrade: how they are replaced. launch: what they are started with.

    target_group_arns: the load balancer's, which send requests to the servers.
    """

    pool: ServerPool
    upgrade: UpgradePolicy
    launch: Launch
    target_group_arns: pulumi.Input[Sequence[pulumi.Input[str]]] = ()


class AwsServerPool(pulumi.ComponentResource):
    """An Auto Scaling group with room for the servers that a rollout adds before it takes others away.

    A server is in service once it is a healthy voter in all three products. A new launch template version changes no
    server that runs: a rollout replaces them, one by one. The group itself replaces only what EC2 reports dead.
    """

    group: pulumi.Output[str]
    """The group's name."""
    made: aws.autoscaling.Group
    """The group itself, for what is to go before it."""
    template_id: pulumi.Output[str]
    template_version: pulumi.Output[str]

    def __init__(self, name: str, args: AwsServerPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:AwsServerPool", name, {}, opts)
        pool, launch = args.pool, args.launch
        own = tags.of_pool(launch.site, SERVER, "server", launch.tags)
        template = launch_template(
            name,
            launch,
            own,
            machine_type=pool.machine_type or machine_types.REFERENCE[pool.arch],
            arch=pool.arch,
            disk_gib=pool.disk_gib,
            volumes=(),
            parent=self,
        )
        group = aws.autoscaling.Group(
            name,
            # It never takes away what the others need to agree.
            min_size=pool.count // 2 + 1,
            # Room for five, so that going back to three is the rollout's work and not the group's.
            max_size=max(pool.count, _MOST_SERVERS) + max(args.upgrade.max_surge, 1),
            desired_capacity=pool.count,
            launch_template=aws.autoscaling.GroupLaunchTemplateArgs(id=template.id, version=pinned(template)),
            vpc_zone_identifiers=launch.subnet_ids,
            target_group_arns=args.target_group_arns,
            # Not ELB: an API that is down everywhere, as a sealed Vault's is, would end all servers at once.
            health_check_type="EC2",
            initial_lifecycle_hooks=hooks.initial(),
            # Whatever the group replaces, its successor is in service first, and there is one at a time.
            instance_maintenance_policy=aws.autoscaling.GroupInstanceMaintenancePolicyArgs(
                min_healthy_percentage=100, max_healthy_percentage=100 + -(-100 // pool.count)
            ),
            suspended_processes=["AZRebalance"],
            protect_from_scale_in=True,
            wait_for_capacity_timeout="0",  # see AwsInService
            # Servers go as a whole only with their cluster, and the last one cannot leave anybody.
            force_delete=True,
            tags=group_tags(own),
            # A rollout changes the capacity, and the hooks below are those that can change.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["desiredCapacity", "initialLifecycleHooks"]),
        )
        hooks.attach(name, group, self)
        AwsInService(name, group, self)
        self.made = group
        self.group, self.template_id, self.template_version = group.name, template.id, pinned(template)
        self.register_outputs({"group": self.group})
