"""Where on this host the region is."""

from ipaddress import IPv4Address
from zlib import crc32

METADATA, RESOLVER, FRONT = "169.254.169.254", "169.254.169.253", "169.254.169.252"
"""AWS's own addresses of the first two, and one beside them for everything at `*.amazonaws.com`."""

ACCOUNT = "123456789012"


def balancer(arn: str) -> str:
    """The loopback address of a load balancer: its own, so that it may listen on the ports that it was given."""
    return str(IPv4Address("127.64.0.0") + 1 + crc32(arn.encode()) % 0xFFFF)
