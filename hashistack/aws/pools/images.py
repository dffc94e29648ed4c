"""Which image machines start from: a distribution's official one, or any that the user names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

ARCHITECTURES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "arm64"}
"""Ours to EC2's."""


@dataclass(frozen=True)
class Official:
    """Where a distribution publishes: the account, and what its images are called for amd64 and for arm64."""

    owner: str
    amd64: str
    arm64: str


OFFICIAL: Mapping[str, Official] = {
    # https://alpinelinux.org/cloud: the series that the local machines have too. Graviton boots by UEFI only; BIOS is
    # what every x86 type can. "tiny" runs the user data, once.
    "alpine": Official("538276064493", "alpine-3.22.*-x86_64-bios-tiny-r*", "alpine-3.22.*-aarch64-uefi-tiny-r*"),
    # https://wiki.debian.org/Cloud/AmazonEC2Image
    "debian": Official("136693071363", "debian-12-amd64-*", "debian-12-arm64-*"),
    # https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
    "ubuntu": Official(
        "099720109477",
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*",
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*",
    ),
}


@dataclass(frozen=True)
class Image:
    """An image as a launch template needs it: its id, and the device that its root file system is on."""

    id: pulumi.Output[str]
    root_device: pulumi.Output[str]


def image(wanted: str, arch: str, opts: pulumi.InvokeOptions) -> Image:
    """Looks an image up: `wanted` is "alpine", "debian", "ubuntu" or an image's id; `arch` is amd64 or arm64.

    Of a distribution's, the newest; machines that run keep theirs, and new ones have the newest. The look-up asks for
    the architecture too: an image of another one is "no results".
    """
    filters = [_filter("architecture", ARCHITECTURES[arch]), _filter("state", "available")]
    if wanted not in OFFICIAL:
        found = aws.ec2.get_ami_output(filters=[*filters, _filter("image-id", wanted)], opts=opts)
    else:
        source = OFFICIAL[wanted]
        filters.append(_filter("name", source.amd64 if arch == "amd64" else source.arm64))
        # At a series' end its images are deprecated, and listed only on request: a cluster of them still gets machines.
        found = aws.ec2.get_ami_output(
            most_recent=True, owners=[source.owner], filters=filters, include_deprecated=True, opts=opts
        )
    return Image(found.id, found.root_device_name)


def _filter(name: str, value: str) -> aws.ec2.GetAmiFilterArgs:
    return aws.ec2.GetAmiFilterArgs(name=name, values=[value])
