"""AwsClientPool: Nomad clients, as an Auto Scaling group whose machines drain before they go, whoever takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
import pulumi_aws as aws

from hashistack.aws import tags
from hashistack.aws.checks import hook_seconds
from hashistack.aws.pools import hooks, machine_types
from hashistack.aws.pools.in_service import AwsInService
from hashistack.aws.pools.launch import Launch, Volume, group_tags, launch_template, pinned
from hashistack.spec import ClientPool, UpgradePolicy


@dataclass(frozen=True)
class WarmPool:
    """Machines that are booted in advance and wait beside the group. size: how many. state: how they wait.

    Not hibernated: that asks for an image, a disk and a template of its own kind.
    """

    size: int
    state: Literal["Stopped", "Running"] = "Stopped"


@dataclass(frozen=True)
class AwsPoolOptions:
    """What a client pool may have on AWS beside its specification; nothing by default.

    target_group_arns: load balancers that send requests to its machines; the group then replaces those that a balancer
    finds unhealthy. volumes: disks beside the root disk, for host volumes. warm_pool: only where all
    machines are of one type and on-demand. protect_from_scale_in: only a rollout takes machines away, never the group.
    """

    target_group_arns: Sequence[pulumi.Input[str]] = ()
    volumes: Sequence[Volume] = ()
    warm_pool: WarmPool | None = None
    protect_from_scale_in: bool = False


@dataclass(frozen=True)
class AwsClientPoolArgs:
    """pool: the specification's. upgrade: how its machines are replaced. launch: what they are started with.

    protect: the pool's machines drain before it is deleted (default), else they are ended at once. servers: the
    group of the servers through which they drain, so that it is deleted after this one.
    """

    pool: ClientPool
    upgrade: UpgradePolicy
    launch: Launch
    options: AwsPoolOptions = AwsPoolOptions()
    protect: bool = True
    servers: aws.autoscaling.Group | None = None


class AwsClientPool(pulumi.ComponentResource):
    """An Auto Scaling group between the pool's `min` and `max`, and room for what a rollout adds.

    Scale-in, rebalancing, spot notices and dead machines: each termination goes through the drain. A new launch
    template version changes no machine that runs: a rollout replaces them.
    """

    group: pulumi.Output[str]
    """The group's name."""
    template_id: pulumi.Output[str]
    template_version: pulumi.Output[str]

    def __init__(self, name: str, args: AwsClientPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hashistack:index:AwsClientPool", name, {}, opts)
        pool, launch, options = args.pool, args.launch, args.options
        own = tags.of_pool(launch.site, pool.name, "client", launch.tags)
        machine_type = pool.machine_type or machine_types.REFERENCE[pool.arch]
        template = launch_template(
            name,
            launch,
            own,
            machine_type=machine_type,
            arch=pool.arch,
            disk_gib=pool.disk_gib,
            volumes=options.volumes,
            parent=self,
        )
        group = aws.autoscaling.Group(
            name,
            # A rollout that may miss machines takes them away first.
            min_size=max(pool.min - args.upgrade.max_unavailable, 0),
            max_size=pool.max + args.upgrade.max_surge,
            desired_capacity=pool.desired,
            vpc_zone_identifiers=launch.subnet_ids,
            target_group_arns=options.target_group_arns,
            health_check_type="ELB" if options.target_group_arns else "EC2",
            initial_lifecycle_hooks=hooks.initial(),
            capacity_rebalance=pool.spot,
            protect_from_scale_in=options.protect_from_scale_in,
            # A group that shrinks by itself lets machines of old versions go first.
            termination_policies=["OldestLaunchTemplate", "Default"],
            wait_for_capacity_timeout="0",  # see AwsInService
            force_delete=not args.protect,
            tags=group_tags(own),
            **_machines(pool, machine_type, template),
            **_warm(options.warm_pool),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.servers] if args.servers else [],
                # A rollout and autoscaling change the capacity, and the hooks below are those that can change.
                ignore_changes=["desiredCapacity", "initialLifecycleHooks"],
                custom_timeouts=pulumi.CustomTimeouts(delete=f"{hook_seconds(args.upgrade) + hooks.LAUNCH_SECONDS}s"),
            ),
        )
        hooks.attach(name, group, self)
        AwsInService(name, group, self)
        self.group, self.template_id, self.template_version = group.name, template.id, pinned(template)
        self.register_outputs({"group": self.group})


def _machines(pool: ClientPool, machine_type: str, template: aws.ec2.LaunchTemplate) -> dict[str, Any]:
    version = pinned(template)
    if not pool.spot and not pool.machine_types:
        return {"launch_template": aws.autoscaling.GroupLaunchTemplateArgs(id=template.id, version=version)}
    specification = aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateLaunchTemplateSpecificationArgs(
        launch_template_id=template.id, version=version
    )
    return {
        "mixed_instances_policy": aws.autoscaling.GroupMixedInstancesPolicyArgs(
            launch_template=aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateArgs(
                launch_template_specification=specification,
                overrides=[
                    aws.autoscaling.GroupMixedInstancesPolicyLaunchTemplateOverrideArgs(instance_type=each)
                    for each in dict.fromkeys((machine_type, *pool.machine_types))
                ],
            ),
            instances_distribution=aws.autoscaling.GroupMixedInstancesPolicyInstancesDistributionArgs(
                on_demand_allocation_strategy="prioritized",
                on_demand_base_capacity=pool.on_demand_base,
                on_demand_percentage_above_base_capacity=0 if pool.spot else 100,
                # AWS's own advice: the fewest interruptions for the price.
                # https://docs.aws.amazon.com/autoscaling/ec2/userguide/allocation-strategies.html
                spot_allocation_strategy="price-capacity-optimized",
            ),
        )
    }


def _warm(warm: WarmPool | None) -> dict[str, Any]:
    if warm is None:
        return {}
    # The same size twice, or the pool would be as large as what the group may still grow by.
    # https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutWarmPool.html
    return {
        "warm_pool": aws.autoscaling.GroupWarmPoolArgs(
            min_size=warm.size, max_group_prepared_capacity=warm.size, pool_state=warm.state
        )
    }
