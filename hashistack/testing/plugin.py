"""What our own plugin would say, on every cloud."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

_DIGEST = "5e" * 32


def outputs(kind: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a resource of ours says beside its inputs; `kind` is the last word of its type."""
    secret = pulumi.Output.secret
    match kind:
        case "ClusterSecrets":
            made = ("ca", *inputs["roles"])
            return {
                "certificates": {role: f"certificate-of-{role}" for role in made},
                "keys": secret({role: f"SECRET-key-of-{role}" for role in made}),
                "not_after": dict.fromkeys(made, "2036-01-01T00:00:00+00:00"),
                "gossip_keys": secret({product: f"SECRET-{product}-gossip" for product in inputs["gossip"]}),
                "ids": secret({token: f"SECRET-{token}" for token in inputs["tokens"]}),
            }
        case "Tools":
            files = {tool: "cni.tar" if tool == "cni" else tool for tool in inputs["versions"]}
            return {
                "tools": {
                    tool: {"version": version, "sha256": _DIGEST, "path": f"/cache/{tool}/{files[tool]}"}
                    for tool, version in inputs["versions"].items()
                }
            }
    return {}
