"""What a machine on AWS is told of its platform. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hashistack.cloud.machine_boot import PEERS, PROGRAMS
from hashistack.machine.platform import Platform


def platform(
    region: str,
    upstreams: Sequence[str],
    seal_key_arn: str,
    operators: Sequence[str] = (),
    made_of: Mapping[str, object] | None = None,
    disks: Mapping[str, str] | None = None,
) -> Platform:
    """The facts of a cluster's machines.

    upstreams: resolvers that their unbound asks. operators: networks from which the load balancer's requests come.
    made_of: the pool's machine type, disks and image. disks: those to be mounted, device to path.
    """
    # By DNS and not by go-discover, which is in all three products: it asks EC2's dual-stack endpoint alone, whatever
    # it is told, and some regions, and VPCs with private endpoints, have none (hashicorp/go-discover#293).
    return Platform(
        name="aws",
        join=(PEERS,),
        upstreams=tuple(upstreams),
        operators=tuple(operators),
        made_of=made_of or {},
        disks=disks or {},
        programs=(*PROGRAMS, "platform/platform-aws.sh"),
        fingerprint="aws",
        # The key may be in another region than the machines.
        seal={"awskms": {"region": seal_key_arn.split(":")[3], "kms_key_id": seal_key_arn}},
    )
