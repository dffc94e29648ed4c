"""A cluster in containers on this machine: the same specification, the same boot."""
