"""The tags by which a cluster's machines are known."""

CLUSTER = "hashistack:cluster"
POOL = "hashistack:pool"
BUNDLE = "hashistack:bundle"
GROUP = "aws:autoscaling:groupName"
"""AWS's own, on each instance of an Auto Scaling group."""
