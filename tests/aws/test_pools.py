"""The pools: what their Auto Scaling groups do by themselves, and what they leave to a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

import pulumi
import pytest

from hashistack import AwsClusterArgs, AwsPoolOptions
from hashistack.aws import Volume, WarmPool

from .cases import cluster, program
from .conftest import planned
from .plan import Plan, plan, user_data


def _group(made: Plan, pool: str) -> Mapping[str, Any]:
    return made.one("Group", f"-{pool}").inputs


def test_the_group_of_servers_replaces_none_unasked() -> None:
    resource = planned("minimal").one("Group", "-server")
    group = resource.inputs
    assert (group["minSize"], group["desiredCapacity"], group["maxSize"]) == (2, 3, 6)
    assert group["suspendedProcesses"] == ["AZRebalance"]
    assert group["protectFromScaleIn"] is True
    assert "desiredCapacity" in resource.ignore_changes
    assert group.get("mixedInstancesPolicy") is None and "capacityRebalance" not in group


@pytest.mark.parametrize(("count", "most"), [(3, 134), (5, 120)])
def test_what_the_group_of_servers_replaces_is_in_service_before_and_one_at_a_time(count: int, most: int) -> None:
    policy = _group(cluster({"servers": {"count": count}}), "server")["instanceMaintenancePolicy"]
    assert policy == {"minHealthyPercentage": 100, "maxHealthyPercentage": most}
    assert int(count * most / 100) == count + 1


def test_the_providers_own_wait_is_off_and_ours_follows_each_group(made: Plan) -> None:
    for group in made.of("Group"):
        assert group.inputs["waitForCapacityTimeout"] == "0"
        ours = made.one("AwsInService", group.name.removeprefix("prod"))
        assert ours.inputs["sizes"] == [group.inputs["minSize"], group.inputs["maxSize"]]
        assert group.urn in ours.depends_on


def test_clients_are_deleted_before_the_servers_through_which_they_drain() -> None:
    made = planned("minimal")
    servers, clients = made.one("Group", "-server"), made.one("Group", "-workers")
    assert servers.urn in clients.depends_on
    # Nobody waits for servers in service before machines of clients are started.
    assert made.one("AwsInService", "-server").urn not in clients.depends_on


@pytest.mark.parametrize(("count", "least"), [(3, 2), (5, 3)])
def test_the_group_never_goes_below_what_servers_need_to_agree(count: int, least: int) -> None:
    group = _group(cluster({"servers": {"count": count}}), "server")
    assert (group["minSize"], group["desiredCapacity"]) == (least, count)


def test_going_from_five_servers_to_three_is_not_the_groups_own_business() -> None:
    """A lower maximum would have the group end servers at once, and choose them itself."""
    sizes = {_group(cluster({"servers": {"count": count}}), "server")["maxSize"] for count in (3, 5)}
    assert len(sizes) == 1


def test_a_machine_is_in_service_only_when_it_is_well_and_ends_only_when_it_has_left(made: Plan) -> None:
    for group in made.of("Group"):
        launch, terminate = group.inputs["initialLifecycleHooks"]
        assert (launch["name"], launch["defaultResult"], launch["heartbeatTimeout"]) == (
            *("hashistack-launch", "ABANDON"),
            900,
        )
        assert launch["lifecycleTransition"] == "autoscaling:EC2_INSTANCE_LAUNCHING"
        assert (terminate["name"], terminate["defaultResult"]) == ("hashistack-terminate", "CONTINUE")
        assert terminate["lifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
        # Nobody waits longer for a machine that says nothing; one that drains says so every minute.
        assert terminate["heartbeatTimeout"] == 300
    # What a group is born with never changes; another release reaches it by resources of their own.
    separate = made.of("LifecycleHook")
    assert len(separate) == 2 * len(made.of("Group"))
    assert all(hook.retain_on_delete for hook in separate), "machines of a group that goes must still drain"


def test_a_shorter_drain_cuts_off_no_machine_that_was_told_a_longer_one() -> None:
    before, after = (cluster({"upgrade": {"drain_deadline": drain}}) for drain in ("1h", "5m"))
    for made in (before, after):
        assert {hook.inputs["heartbeatTimeout"] for hook in made.of("LifecycleHook")} == {900, 300}


def test_a_machine_is_told_its_pools_hook_timeout() -> None:
    """How long it asks its group for more time: the platform's verb `hold`."""
    pool = {"name": "slow", "upgrade": {"hook_timeout": "4h"}}
    made = cluster({"upgrade": {"hook_timeout": "3h"}, "clients": [pool]})
    told = {name: user_data(made.one("LaunchTemplate", name)) for name in ("server", "slow")}
    assert "\nHS_HOOK_TIMEOUT=10800\n" in told["server"]
    assert "\nHS_HOOK_TIMEOUT=14400\n" in told["slow"]


def test_a_pool_of_one_type_on_demand_has_no_mixed_instances() -> None:
    group = _group(planned("minimal"), "workers")
    assert group["launchTemplate"]["version"] == "1"
    assert "mixedInstancesPolicy" not in group
    assert planned("minimal").one("LaunchTemplate", "workers").inputs["instanceType"] == "m6i.large"


def test_spot_machines_beside_an_on_demand_base() -> None:
    made = planned("spot-arm64")
    group = _group(made, "batch")
    policy = group["mixedInstancesPolicy"]
    assert policy["instancesDistribution"] == {
        "onDemandAllocationStrategy": "prioritized",
        "onDemandBaseCapacity": 1,
        "onDemandPercentageAboveBaseCapacity": 0,
        "spotAllocationStrategy": "price-capacity-optimized",
    }
    types = [override["instanceType"] for override in policy["launchTemplate"]["overrides"]]
    assert types == ["m7g.large", "m6g.large", "c7g.xlarge"]
    assert group["capacityRebalance"] is True
    assert "launchTemplate" not in group
    assert made.one("LaunchTemplate", "batch").inputs["blockDeviceMappings"][0]["ebs"]["volumeSize"] == 100


def test_alternatives_without_spot_are_on_demand() -> None:
    clients = [{"name": "w", "machine_type": "m6i.large", "machine_types": ["m5.large"]}]
    group = _group(cluster({"clients": clients}), "w")
    assert group["mixedInstancesPolicy"]["instancesDistribution"]["onDemandPercentageAboveBaseCapacity"] == 100
    assert group["capacityRebalance"] is False


def test_a_group_of_clients_has_room_for_a_rollout() -> None:
    upgrade = {"max_surge": 2, "max_unavailable": 1}
    group = _group(cluster({"clients": [{"name": "w", "min": 2, "max": 5, "upgrade": upgrade}]}), "w")
    assert (group["minSize"], group["desiredCapacity"], group["maxSize"]) == (1, 2, 7)


def test_images_are_of_the_pools_architecture() -> None:
    asked = {}
    for arguments in planned("spot-arm64").lookups("getAmi"):
        filters = {one["name"]: one["values"][0] for one in arguments["filters"]}
        asked[filters["architecture"]] = (arguments["owners"], filters["name"])
    assert asked.keys() == {"arm64", "x86_64"}
    assert asked["arm64"] == (["538276064493"], "alpine-3.22.*-aarch64-uefi-tiny-r*")


def test_an_image_by_its_id_is_looked_up_for_its_root_device() -> None:
    arguments, *_ = planned("private-without-nat").lookups("getAmi")
    assert {"name": "image-id", "values": ["ami-0fedcba987654321"]} in arguments["filters"]
    assert "owners" not in arguments


@pytest.mark.parametrize("image", ["debian", "ubuntu"])
def test_debian_and_ubuntu_are_options(image: str) -> None:
    arguments, *_ = cluster(image=image).lookups("getAmi")
    assert arguments["mostRecent"] is True
    assert arguments["includeDeprecated"] is True, "images of a series that is over are listed on request alone"
    assert any(image in value for one in arguments["filters"] for value in one["values"])


def test_options_of_a_pool() -> None:
    options = AwsPoolOptions(
        target_group_arns=["arn:tg"],
        volumes=[Volume("/dev/sdf", 500)],
        warm_pool=WarmPool(2),
        protect_from_scale_in=True,
    )
    made = cluster(pools={"workers": options})
    group = _group(made, "workers")
    assert group["targetGroupArns"] == ["arn:tg"]
    assert group["healthCheckType"] == "ELB"  # A4
    assert group["warmPool"] == {"minSize": 2, "maxGroupPreparedCapacity": 2, "poolState": "Stopped"}
    assert group["protectFromScaleIn"] is True
    _, extra = made.one("LaunchTemplate", "workers").inputs["blockDeviceMappings"]
    assert extra["deviceName"] == "/dev/sdf"
    assert (extra["ebs"]["volumeSize"], extra["ebs"]["encrypted"]) == (500, "true")


def test_no_warm_pool_hibernates() -> None:
    """That asks for an image, a disk and a template of its own kind."""
    assert get_args(get_type_hints(WarmPool)["state"]) == ("Stopped", "Running")


def test_a_pool_that_is_removed_drains_first_and_a_throw_away_one_does_not() -> None:
    assert _group(planned("minimal"), "workers")["forceDelete"] is False
    assert _group(cluster(protect=False), "workers")["forceDelete"] is True


def test_zones_of_a_pool_are_its_subnets() -> None:
    zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
    made = cluster({"servers": {"zones": zones}, "clients": [{"name": "w", "zones": ["us-east-1b"]}]})
    assert len(_group(made, "server")["vpcZoneIdentifiers"]) == 3
    assert len(_group(made, "w")["vpcZoneIdentifiers"]) == 1


def test_long_names_stay_within_awss_limits() -> None:
    """Pulumi appends eight characters to a logical name; what would be too long gets a prefix instead."""
    name = "a-rather-long-name-that-somebody-gave-to-the-component"
    spec = {"clients": [{"name": "w" * 45}]}
    made = plan(program(AwsClusterArgs(spec=spec), name))
    for kind, most in {"Role": 64, "InstanceProfile": 128, "LaunchTemplate": 128, "Group": 255, "Secret": 512}.items():
        for resource in made.of(kind):
            prefix = resource.inputs.get("namePrefix")
            assert len(f"{prefix}{'x' * 26}" if prefix else f"{resource.name}-1234567") <= most, resource.name


def test_inputs_reach_the_pools_as_outputs_too() -> None:
    def run() -> dict[str, Any]:
        given = {"vpc_id": pulumi.Output.from_input("vpc-9"), "private_subnet_ids": pulumi.Output.from_input(["s-1"])}
        return program(AwsClusterArgs(spec={}, **given))()

    assert _group(plan(run), "server")["vpcZoneIdentifiers"] == ["s-1"]
