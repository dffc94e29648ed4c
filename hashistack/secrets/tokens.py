"""Random material without a lifetime: gossip keys and token ids."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Iterable

from hashistack.provider.handler import UNKNOWN, Context, Failure, Handler, Props


def gossip_key() -> str:
    """32 random bytes, base64: an AES-256 key as Consul's and Nomad's gossip take it."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def token_ids(names: Iterable[str]) -> dict[str, str]:
    """A random UUID for each name: what Consul and Nomad take as secret ids, and a fine password."""
    return {name: str(uuid.uuid4()) for name in names}


class GossipKeyHandler(Handler):
    """Inputs: rotate?. Outputs: key."""

    secret = frozenset({"key"})

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        return f"gossip-{uuid.uuid4()}", {"key": gossip_key()}

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        return {"key": gossip_key()}


class TokenSetHandler(Handler):
    """Inputs: names, rotate?. Outputs: ids."""

    secret = frozenset({"ids"})

    def check(self, news: Props) -> list[Failure]:
        names = news.get("names")
        if names is UNKNOWN:
            return []
        if not isinstance(names, list) or not names:
            return [Failure("names", f"must be a list with at least one name, not {names!r}")]
        failures = []
        for index, name in enumerate(names):
            if name is UNKNOWN:
                continue
            if not isinstance(name, str) or not name:
                failures.append(Failure(f"names[{index}]", f"must be a text, not {name!r}"))
            elif name in names[:index]:
                failures.append(Failure(f"names[{index}]", f"is there twice: {name!r}"))
        return failures

    def create(self, ctx: Context, news: Props) -> tuple[str, Props]:
        return f"tokens-{uuid.uuid4()}", {"ids": token_ids(news["names"])}

    def update(self, ctx: Context, id: str, olds: Props, news: Props) -> Props:
        fresh = token_ids(news["names"])
        if olds.get("rotate") != news.get("rotate"):
            return {"ids": fresh}
        return {"ids": {name: olds["ids"].get(name, new) for name, new in fresh.items()}}
