"""What may stand in a certificate."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

from hashistack.provider.handler import UNKNOWN, Failure, Props

_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_DNS_NAME: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", re.IGNORECASE)


def common_name_failures(news: Props) -> list[Failure]:
    """What is wrong with `common_name`: X.509 allows 1 to 64 characters."""
    name = news.get("common_name")
    if name is UNKNOWN or (isinstance(name, str) and name.strip() and len(name) <= 64):
        return []
    return [Failure("common_name", f"must be a text of 1 to 64 characters, not {name!r}")]


def role_failures(wanted: Props) -> list[Failure]:
    """What is wrong with what a role's certificate is to say: common_name, dns_names, ip_addresses, usages."""
    reason = "must be a DNS name such as server.global.nomad or *.example.org, not {!r}"
    failures = [
        *common_name_failures(wanted),
        *_each(wanted, "dns_names", _is_dns_name, reason),
        *_each(wanted, "ip_addresses", _is_ip_address, "must be an IPv4 or IPv6 address, not {!r}"),
    ]
    usages = wanted.get("usages")
    if usages is UNKNOWN or (isinstance(usages, list) and usages and set(usages) <= {"server", "client"}):
        return failures
    return [*failures, Failure("usages", f'must be a list of "server", "client" or both, not {usages!r}')]


def _each(news: Props, name: str, good: Any, reason: str) -> list[Failure]:
    values = news.get(name)
    if values is None or values is UNKNOWN:
        return []
    if not isinstance(values, list):
        return [Failure(name, f"must be a list, not {values!r}")]
    return [
        Failure(f"{name}[{index}]", reason.format(value))
        for index, value in enumerate(values)
        if value is not UNKNOWN and not good(value)
    ]


def _is_dns_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 253 and _DNS_NAME.fullmatch(value) is not None


def _is_ip_address(value: object) -> bool:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True
