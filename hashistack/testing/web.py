"""One GET from a service of a cluster, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

SECONDS = 10.0
"""How long one answer may take."""


def get(
    url: str, domain: str, resolve: Callable[[str], Sequence[tuple[str, int]]], more: Mapping[str, Any]
) -> httpx.Response | str:
    """The answer, or why there is none yet. A proxy of the environment is asked only for what is no machine's own.

    domain: Consul's. resolve: a service's name to its healthy instances. more: arguments of `httpx.get`.
    """
    parts, headers = urlsplit(url), {**more.get("headers", {})}
    host, where = parts.hostname or "", url
    if ours := host.endswith(f".service.{domain}"):
        if not (found := resolve(host)):
            return f"no instance of {host} is healthy"
        address, port = found[0]
        where = parts._replace(netloc=authority(address, parts.port or port)).geturl()
        headers = {"Host": parts.netloc, **headers}
    given = {"timeout": SECONDS, "trust_env": not (ours or _is_private(host)), **more, "headers": headers}
    try:
        return httpx.get(where, **given)
    except httpx.TransportError as error:
        return f"{where}: {error or type(error).__name__}"


def authority(address: str, port: int) -> str:
    """Both as they stand in a URL."""
    return f"{f'[{address}]' if ':' in address else address}:{port}"


def _is_private(host: str) -> bool:
    """Whether it is an address of a network of one's own, as machines of clusters have."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return False  # a name
