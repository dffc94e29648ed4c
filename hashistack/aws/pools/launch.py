"""The launch template of a pool: what each of its machines is started with."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from hashistack.aws import names, tags
from hashistack.aws.pools import images, machine_types
from hashistack.spec.pool import ClientPool, ServerPool


@dataclass(frozen=True)
class Volume:
    """A disk beside the root disk: gp3, encrypted, gone with its machine.

    device: what EC2 calls it, as "/dev/sdf". size_gib: its size in GiB. host_volume: one of the pool's `host_volumes`:
    the disk gets a file system when it is new, is mounted at that path, and grows at a boot; without one it is left to
    the image or to jobs.
    """

    device: str
    size_gib: int
    host_volume: str = ""


@dataclass(frozen=True)
class Launch:
    """What the machines of a pool have in common, whatever their role.

    profile_arn: the instance profile. image: see `images.image`. bundle: the digest that the machines boot from, by
    which a rollout tells old ones from new ones. user_data: their first script.
    """

    site: str
    security_group_ids: Sequence[pulumi.Input[str]]
    subnet_ids: pulumi.Input[Sequence[pulumi.Input[str]]]
    profile_arn: pulumi.Input[str]
    bundle: pulumi.Input[str]
    user_data: pulumi.Input[str]
    image: str = "alpine"
    disk_key_arn: pulumi.Input[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def launch_template(
    name: str,
    launch: Launch,
    own: Mapping[str, str],
    machine_type: str,
    arch: str,
    disk_gib: int,
    volumes: Sequence[Volume],
    parent: pulumi.Resource,
) -> aws.ec2.LaunchTemplate:
    """Declares it. `own`: the pool's tags, which its machines and their volumes get too.

    No machine has a public address or an unencrypted disk, and tasks cannot reach the metadata service by a bridge:
    its answers go one hop, and only to who has asked for a token.
    """
    image = images.image(launch.image, arch, pulumi.InvokeOptions(parent=parent))
    marked = pulumi.Output.from_input(launch.bundle).apply(lambda digest: {**own, tags.BUNDLE: digest})
    return aws.ec2.LaunchTemplate(
        name,
        name_prefix=names.prefix(name, names.LAUNCH_TEMPLATE),
        image_id=image.id,
        instance_type=machine_type,
        update_default_version=True,
        iam_instance_profile=aws.ec2.LaunchTemplateIamInstanceProfileArgs(arn=launch.profile_arn),
        metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
            http_endpoint="enabled",
            http_tokens="required",
            http_put_response_hop_limit=1,
            instance_metadata_tags="enabled",
        ),
        network_interfaces=[
            aws.ec2.LaunchTemplateNetworkInterfaceArgs(
                device_index=0,
                associate_public_ip_address="false",
                delete_on_termination="true",
                security_groups=launch.security_group_ids,
            )
        ],
        block_device_mappings=[
            _disk(image.root_device, disk_gib, launch.disk_key_arn),
            *(_disk(volume.device, volume.size_gib, launch.disk_key_arn) for volume in volumes),
        ],
        tag_specifications=[
            aws.ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags=marked)
            for kind in ("instance", "volume", "network-interface")
        ],
        user_data=pulumi.Output.from_input(launch.user_data).apply(lambda text: b64encode(text.encode()).decode()),
        tags=own,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def made_of(image: str, pool: ServerPool | ClientPool, volumes: Sequence[Volume] = ()) -> dict[str, object]:
    """What the pool's machines are made of, as the user says it: a change of it is to replace them.

    Other machine types that will do as well are no reason to, and nor is a newer image of a distribution.
    """
    return {
        "image": image,
        "machine_type": pool.machine_type or machine_types.REFERENCE[pool.arch],
        "disk_gib": pool.disk_gib,
        **({"volumes": {volume.device: volume.size_gib for volume in volumes}} if volumes else {}),
    }


def disks(pool: ClientPool, volumes: Sequence[Volume]) -> dict[str, str]:
    """Of those that are host volumes of the pool: device to the path where it is mounted."""
    return {one.device: pool.host_volumes[one.host_volume].path for one in volumes if one.host_volume}


def group_tags(own: Mapping[str, str]) -> list[aws.autoscaling.GroupTagArgs]:
    """A pool's tags as its group has them, and gives them to the machines that it starts."""
    return [aws.autoscaling.GroupTagArgs(key=key, value=value, propagate_at_launch=True) for key, value in own.items()]


def pinned(template: aws.ec2.LaunchTemplate) -> pulumi.Output[str]:
    """The template's newest version by its number: "$Latest" shows no difference, and changes under a running group.

    https://github.com/hashicorp/terraform-provider-aws/issues/22464
    """
    return template.latest_version.apply(lambda version: f"{version:.0f}")


def _disk(
    device: pulumi.Input[str], size_gib: int, key_arn: pulumi.Input[str] | None
) -> aws.ec2.LaunchTemplateBlockDeviceMappingArgs:
    return aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
        device_name=device,
        ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
            volume_type="gp3",
            volume_size=size_gib,
            encrypted="true",
            kms_key_id=key_arn,
            delete_on_termination="true",
        ),
    )
