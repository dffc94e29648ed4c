"""Where on this host the region is, and whose account it is."""

METADATA, RESOLVER, FRONT = "169.254.169.254", "169.254.169.253", "169.254.169.252"
"""AWS's own addresses of the first two, and one beside them for everything at `*.amazonaws.com`."""

ACCOUNT = "123456789012"
