"""The instance template of a pool: what each of its machines is started with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
from pulumi_gcp import compute

from hashistack.gcp import labels, names
from hashistack.gcp.pools import images, machine_types
from hashistack.machine.roles import SERVER
from hashistack.spec.pool import ClientPool, ServerPool

SHUTDOWN_SECONDS: Final = 3600
"""How long a machine that is to stop goes on running at most, Google's longest. Always that: machines keep the
deadlines that they were born with. https://cloud.google.com/compute/docs/instances/graceful-shutdown-overview"""


@dataclass(frozen=True)
class Disk:
    """A disk beside the boot disk: balanced, gone with its machine.

    name: /dev/disk/by-id/google-<name> on the machine. size_gib: its size in GiB. host_volume: one of the pool's
    `host_volumes`: the disk gets a file system when it is new, is mounted at that path, and grows at a boot; without
    one it is left to the image or to jobs.
    """

    name: str
    size_gib: int
    host_volume: str = ""


@dataclass(frozen=True)
class Launch:
    """What the machines of a pool have in common, whatever their role.

    subnetwork: its id. zones: those of the pool. account: the service account's email. image: see `images.image`.
    bundle: the digest that the machines boot from, by which a rollout tells old ones from new ones. first_script: their
    first script.
    """

    site: str
    subnetwork: pulumi.Input[str]
    zones: Sequence[str]
    account: pulumi.Input[str]
    bundle: pulumi.Input[str]
    first_script: pulumi.Input[str]
    image: str = "debian"
    kms_key: pulumi.Input[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def instance_template(
    name: str,
    launch: Launch,
    own: Mapping[str, str],
    pool: ServerPool | ClientPool,
    disks: Sequence[Disk],
    parent: pulumi.Resource,
) -> compute.InstanceTemplate:
    """Declares it. `own`: the labels of the pool's machines and their disks.

    No machine has an external address. People log in as who they are to Google (OS Login), never by a key in metadata.
    """
    machine_type, spot = of_type(pool), isinstance(pool, ClientPool) and pool.spot
    marked = pulumi.Output.from_input(launch.bundle).apply(lambda it: {**own, labels.BUNDLE: labels.digest(it)})
    key = None
    if launch.kms_key is not None:
        key = compute.InstanceTemplateDiskDiskEncryptionKeyArgs(kms_key_self_link=launch.kms_key)
    kind = machine_types.disk_type(machine_type)
    boot = compute.InstanceTemplateDiskArgs(
        boot=True,
        auto_delete=True,
        source_image=images.image(launch.image, pool.arch, pulumi.InvokeOptions(parent=parent)),
        disk_type=kind,
        disk_size_gb=pool.disk_gib,
        disk_encryption_key=key,
        labels=marked,
    )
    more = [
        compute.InstanceTemplateDiskArgs(
            device_name=disk.name,
            auto_delete=True,
            type="PERSISTENT",
            disk_type=kind,
            disk_size_gb=disk.size_gib,
            disk_encryption_key=key,
            labels=marked,
        )
        for disk in disks
    ]
    return compute.InstanceTemplate(
        name,
        machine_type=machine_type,
        disks=[boot, *more],
        network_interfaces=[compute.InstanceTemplateNetworkInterfaceArgs(subnetwork=launch.subnetwork)],
        service_account=compute.InstanceTemplateServiceAccountArgs(
            email=launch.account, scopes=["https://www.googleapis.com/auth/cloud-platform"]
        ),
        scheduling=_scheduling(spot),
        # Arm machines have no secure boot on all families.
        shielded_instance_config=None
        if pool.arch == "arm64"
        else compute.InstanceTemplateShieldedInstanceConfigArgs(
            enable_secure_boot=True, enable_vtpm=True, enable_integrity_monitoring=True
        ),
        # Google's guest agent, in Debian's and Ubuntu's images, runs the first; cloud-init and tiny-cloud the second.
        metadata={
            "startup-script": launch.first_script,
            "user-data": launch.first_script,
            labels.POOL: pool.name if isinstance(pool, ClientPool) else SERVER,
            labels.GUEST_ATTRIBUTES: "TRUE",
            "enable-oslogin": "TRUE",
            "block-project-ssh-keys": "TRUE",
        },
        labels=marked,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def of_type(pool: ServerPool | ClientPool) -> str:
    """The machine type of the pool."""
    return pool.machine_type or machine_types.REFERENCE[pool.arch]


def made_of(image: str, pool: ServerPool | ClientPool, disks: Sequence[Disk] = ()) -> dict[str, object]:
    """What the pool's machines are made of, as the user says it: a change of it is to replace them.

    Other machine types that will do as well are no reason to, and nor is a newer image of a distribution.
    """
    return {
        "image": image,
        "machine_type": of_type(pool),
        "disk_gib": pool.disk_gib,
        **({"disks": {disk.name: disk.size_gib for disk in disks}} if disks else {}),
    }


def mounted(pool: ClientPool, disks: Sequence[Disk]) -> dict[str, str]:
    """Of those that are host volumes of the pool: a disk's name to the path where it is mounted."""
    return {one.name: pool.host_volumes[one.host_volume].path for one in disks if one.host_volume}


def group(
    name: str,
    pool: str,
    template: compute.InstanceTemplate,
    launch: Launch,
    size: int,
    flexible: Sequence[str],
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource] = (),
) -> compute.RegionInstanceGroupManager:
    """Declares the pool's group. It makes anew what is lost, in the new template's form; what is old it leaves to a
    rollout. `flexible`: other machine types that will do, in order of preference. `after`: what is made before it, and
    deleted after it."""
    return compute.RegionInstanceGroupManager(
        name,
        base_instance_name=names.instances(launch.site, pool),
        # What it says before a rollout has changed it.
        target_size=size,
        versions=[compute.RegionInstanceGroupManagerVersionArgs(instance_template=template.self_link_unique)],
        distribution_policy_zones=list(launch.zones),
        distribution_policy_target_shape="BALANCED" if flexible else "EVEN",
        update_policy=compute.RegionInstanceGroupManagerUpdatePolicyArgs(
            type="OPPORTUNISTIC",
            minimal_action="REPLACE",
            instance_redistribution_type="NONE",
            # Nothing is updated by the group; but Google refuses a surge below the number of zones.
            max_surge_fixed=len(launch.zones),
            max_unavailable_fixed=0,
        ),
        instance_lifecycle_policy=compute.RegionInstanceGroupManagerInstanceLifecyclePolicyArgs(
            default_action_on_failure="REPAIR",
            force_update_on_repair="YES",
            on_failed_health_check="DO_NOTHING",
        ),
        instance_flexibility_policy=_flexibility(flexible),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=list(after), ignore_changes=["targetSize"]),
    )


def _scheduling(spot: bool) -> compute.InstanceTemplateSchedulingArgs:
    return compute.InstanceTemplateSchedulingArgs(
        provisioning_model="SPOT" if spot else "STANDARD",
        preemptible=spot,
        automatic_restart=not spot,
        on_host_maintenance="TERMINATE" if spot else "MIGRATE",
        instance_termination_action="DELETE" if spot else None,
        graceful_shutdown=compute.InstanceTemplateSchedulingGracefulShutdownArgs(
            enabled=True,
            max_duration=compute.InstanceTemplateSchedulingGracefulShutdownMaxDurationArgs(seconds=SHUTDOWN_SECONDS),
        ),
    )


def _flexibility(
    machine_types: Sequence[str],
) -> compute.RegionInstanceGroupManagerInstanceFlexibilityPolicyArgs | None:
    if not machine_types:
        return None
    return compute.RegionInstanceGroupManagerInstanceFlexibilityPolicyArgs(
        instance_selections=[
            compute.RegionInstanceGroupManagerInstanceFlexibilityPolicyInstanceSelectionArgs(
                name=f"choice-{rank}", rank=rank, machine_types=[machine_type]
            )
            for rank, machine_type in enumerate(machine_types, 1)
        ]
    )
