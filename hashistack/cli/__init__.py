"""The `hashistack` command: parses, calls `ops` and the Pulumi engine, prints. Holds no logic of clusters."""
