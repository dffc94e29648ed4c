"""Which image machines start from: a distribution's official one, or any that the user names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_gcp import compute


@dataclass(frozen=True)
class Official:
    """Where a distribution publishes: the project, and its families for amd64 and for arm64."""

    project: str
    amd64: str
    arm64: str


OFFICIAL: Mapping[str, Official] = {
    # https://cloud.google.com/compute/docs/images/os-details
    "debian": Official("debian-cloud", "debian-12", "debian-12-arm64"),
    "ubuntu": Official("ubuntu-os-cloud", "ubuntu-2404-lts-amd64", "ubuntu-2404-lts-arm64"),
}


def image(wanted: str, arch: str, opts: pulumi.InvokeOptions) -> pulumi.Output[str]:
    """The link of an image: `wanted` is "debian", "ubuntu" or an image's own link (`projects/…/global/images/…`).

    Of a distribution's, the newest; machines that run keep theirs, and new ones have the newest.
    """
    if wanted not in OFFICIAL:
        return pulumi.Output.from_input(wanted)
    source = OFFICIAL[wanted]
    family = source.amd64 if arch == "amd64" else source.arm64
    return compute.get_image_output(family=family, project=source.project, opts=opts).self_link
