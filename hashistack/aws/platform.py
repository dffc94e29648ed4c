"""What a machine on AWS is told of its platform. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hashistack.aws import tags
from hashistack.machine.platform import Platform
from hashistack.spec import ClusterSpec

RESOLVER = "169.254.169.253"
"""AWS's own resolver, at the same address in every VPC; each machine may ask it 1024 times a second.
https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html"""


def platform(spec: ClusterSpec, site: str, region: str, seal_key_arn: str, operators: Sequence[str] = ()) -> Platform:
    """The facts of a cluster's machines. operators: networks from which the API's load balancer is used."""
    servers = (
        f"provider=aws tag_key={tags.SERVERS} tag_value={site} region={region} addr_type=private_v4"  # go-discover
    )
    return Platform(
        name="aws",
        join=(servers,),
        vault_join=({"auto_join": servers, "auto_join_scheme": "https"},),
        upstreams=spec.dns.upstreams or (RESOLVER,),
        operators=tuple(operators),
        # The key may be in another region than the machines.
        seal={"awskms": {"region": seal_key_arn.split(":")[3], "kms_key_id": seal_key_arn}},
    )
