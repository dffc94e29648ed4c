"""The local provider: a cluster of containers on this machine."""
