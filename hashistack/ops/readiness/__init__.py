"""Whether a cluster is usable: sentences with probes, and a job that proves it."""
