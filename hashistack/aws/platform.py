"""What a machine on AWS is told of its platform. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hashistack.aws import tags
from hashistack.machine.platform import Platform


def platform(
    site: str,
    region: str,
    upstreams: Sequence[str],
    seal_key_arn: str,
    operators: Sequence[str] = (),
    made_of: Mapping[str, object] | None = None,
) -> Platform:
    """The facts of a cluster's machines.

    upstreams: resolvers that their unbound asks. operators: networks from which the load balancer's requests come.
    made_of: the pool's machine type, disks and image.
    """
    # What go-discover, which is in all three products, makes of the tags of running instances.
    servers = f"provider=aws tag_key={tags.SERVERS} tag_value={site} region={region} addr_type=private_v4"
    return Platform(
        name="aws",
        join=(servers,),
        vault_join=({"auto_join": servers, "auto_join_scheme": "https"},),
        upstreams=tuple(upstreams),
        operators=tuple(operators),
        made_of=made_of or {},
        # The key may be in another region than the machines.
        seal={"awskms": {"region": seal_key_arn.split(":")[3], "kms_key_id": seal_key_arn}},
    )
