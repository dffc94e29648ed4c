"""Where on this host the region is, and whose account it is."""

METADATA, RESOLVER, FRONT = "169.254.169.254", "169.254.169.253", "169.254.169.252"
"""AWS's own addresses of the first two, and one beside them for everything at `*.amazonaws.com`."""

ACCOUNT = "123456789012"

ZONE = ".amazonaws.com"
"""And not api.aws, whose names answer by IPv6 too: not every region and no private endpoint has them."""
