"""Random material without a lifetime: gossip keys and token ids."""

from __future__ import annotations

from collections.abc import Iterable

from hashistack.provider.handler import UNKNOWN, Failure, Props


def gossip_key() -> str:
    """32 random bytes, base64: an AES-256 key as Consul's and Nomad's gossip take it."""
    import base64
    import secrets

    return base64.b64encode(secrets.token_bytes(32)).decode()


def token_ids(names: Iterable[str]) -> dict[str, str]:
    """A random UUID for each name: what Consul and Nomad take as secret ids, and a fine password."""
    import uuid

    return {name: str(uuid.uuid4()) for name in names}


def name_failures(news: Props, field: str) -> list[Failure]:
    """What is wrong with the names in `field`, for each of which there will be one."""
    names = news.get(field)
    if names is UNKNOWN:
        return []
    if not isinstance(names, list) or not names:
        return [Failure(field, f"must be a list with at least one name, not {names!r}")]
    failures = []
    for index, name in enumerate(names):
        if name is UNKNOWN:
            continue
        if not isinstance(name, str) or not name:
            failures.append(Failure(f"{field}[{index}]", f"must be a text, not {name!r}"))
        elif name in names[:index]:
            failures.append(Failure(f"{field}[{index}]", f"is there twice: {name!r}"))
    return failures
