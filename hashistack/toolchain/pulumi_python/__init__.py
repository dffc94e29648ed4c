"""Python programs under a Pulumi that was built from source."""
