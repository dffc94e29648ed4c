"""Introductions: tokens as Nomad makes them, but for their signature, and what every cloud's program does with them."""

from __future__ import annotations

import base64
import json
import time

from .sandbox import Sandbox


def token(seconds: float = 3600, key: str = "key-1", name: str = "") -> str:
    """One that is good for so long, signed by this key of Nomad's keyring."""
    claims = {"exp": int(time.time() + seconds), "nomad_node_pool": "default", "jti": f"{name}\u00bf>?\u00ff"}
    parts = ({"alg": "RS256", "kid": key, "typ": "JWT"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part, ensure_ascii=False).encode()) for part in parts)
    return f"{head.decode().rstrip('=')}.{body.decode().rstrip('=')}.c2ln"


def reach_their_pool(machine: Sandbox, program: str) -> None:
    """By a cloud's `program` this machine, of pool web, gets its own pool's last one, and fails before there is one."""
    done = machine.run(program, "introduction")
    assert (done.returncode, done.stdout) == (1, "")
    for pool, text in (("web", "first"), ("web", "second"), ("batch", "another")):
        done = machine.run(program, "introduce", pool, stdin=text)
        assert (done.returncode, done.stderr) == (0, "")
    done = machine.run(program, "introduction")
    assert (done.returncode, done.stdout, done.stderr) == (0, "second\n", "")
