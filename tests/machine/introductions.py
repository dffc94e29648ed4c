"""Introduction tokens as Nomad makes them, but for their signature."""

from __future__ import annotations

import base64
import json
import time


def token(seconds: float = 3600, key: str = "key-1", name: str = "") -> str:
    """One that is good for so long, signed by this key of Nomad's keyring."""
    claims = {"exp": int(time.time() + seconds), "nomad_node_pool": "default", "jti": f"{name}\u00bf>?\u00ff"}
    parts = ({"alg": "RS256", "kid": key, "typ": "JWT"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part, ensure_ascii=False).encode()) for part in parts)
    return f"{head.decode().rstrip('=')}.{body.decode().rstrip('=')}.c2ln"
