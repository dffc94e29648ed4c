"""hashistack's own Pulumi provider: how a resource type is written, served and found by the engine."""
