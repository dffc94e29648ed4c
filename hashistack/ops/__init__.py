"""Operating a cluster that exists: one HTTP client, readiness checks, the smoke job. No Pulumi."""
