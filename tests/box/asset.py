"""A file's place, as stand-ins for Pulumi's plugins see it."""

ASSET = "hashistack:tests:asset"
"""Where an asset was, there is `{ASSET: {"path": …}}` or one with `text`."""
