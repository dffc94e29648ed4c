"""What a machine on Google Cloud is told of its platform. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from hashistack.cloud.machine_boot import PEERS, PROGRAMS
from hashistack.machine.platform import Platform

KEY: Final = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<region>[^/]+)/keyRings/(?P<key_ring>[^/]+)/cryptoKeys/(?P<crypto_key>[^/]+)"
)
"""The id of a key of Cloud KMS; its parts are what Vault's `seal "gcpckms"` takes."""

CLOUD_DNS: Final = "35.199.192.0/19"
"""Where the questions that Cloud DNS forwards come from.
https://cloud.google.com/dns/docs/zones/forwarding-zones#firewall-rules"""


def platform(
    upstreams: Sequence[str],
    seal_key: str,
    operators: Sequence[str] = (),
    made_of: Mapping[str, object] | None = None,
    disks: Mapping[str, str] | None = None,
    dns_address: str = "",
) -> Platform:
    """The facts of a cluster's machines.

    upstreams: resolvers that their unbound asks. seal_key: the key's id. operators: networks from which requests to the
    APIs come. made_of: the pool's machine type, disks and image. disks: those to be mounted, name to path.
    dns_address: where Cloud DNS asks for the cluster's names, "" where it does not.
    """
    key = KEY.fullmatch(seal_key)
    if not key:
        raise ValueError(f"{seal_key!r} is no id of a key of Cloud KMS")
    return Platform(
        name="gcp",
        join=(PEERS,),
        upstreams=tuple(upstreams),
        operators=tuple(operators),
        made_of=made_of or {},
        disks=disks or {},
        dns_address=dns_address,
        dns_sources=(CLOUD_DNS,) if dns_address else (),
        programs=(*PROGRAMS, "platform/platform-gcp.sh"),
        fingerprint="gce",
        seal={"gcpckms": key.groupdict()},
    )
