"""Name resolution: unbound on every machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator

from hashistack.spec.durations import Duration, within
from hashistack.spec.problems import FieldError, Problem, show
from hashistack.spec.section import Many, Section, reads

_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
# Names that others answer for: of special use (RFC 6761, 6762, 8375), the clouds', large public suffixes.
_FOREIGN = (
    *("arpa", "example", "home.arpa", "internal", "invalid", "local", "localhost", "onion", "test"),
    *("app", "cloud", "co", "com", "dev", "edu", "gov", "info", "io", "mil", "net", "org"),
)


def _domain(name: str) -> str:
    if not _DOMAIN.fullmatch(name):
        raise FieldError("is not a domain name", 'Use labels of a-z, 0-9 and "-", joined by dots.')
    return name


def _own_domain(name: str) -> str:
    if name in _FOREIGN:
        raise FieldError("is a domain that others answer for", 'Use "consul", or a domain of your own.')
    return name


def _upstream(address: str) -> str:
    try:
        ip = ip_address(address)
    except ValueError:
        raise FieldError(
            "is not an IP address",
            "Give an address: a resolver cannot be found by a name that it must resolve.",
        ) from None
    if ip.is_unspecified:
        raise FieldError("cannot be 0.0.0.0 or ::", "Give the address of a resolver.")
    if ip.is_loopback:
        raise FieldError("is this machine itself: queries would loop", "Give the address of another resolver.")
    if ip.is_multicast:
        raise FieldError("is a multicast address", "Give the address of one resolver.")
    return address


def _two(upstreams: tuple[str, ...]) -> tuple[str, ...]:
    for upstream in upstreams:
        if upstreams.count(upstream) > 1:
            raise FieldError(f"{upstream} is listed twice", "List each resolver once.")
    if len(upstreams) == 1:
        raise FieldError(
            "one upstream is a single point of failure", "Give at least two, or none for the platform's own."
        )
    return upstreams


Domain = Annotated[str, AfterValidator(_domain)]
Upstream = Annotated[str, AfterValidator(_upstream)]


def _clash(dns: Dns) -> Iterator[Problem]:
    if dns.domain in dns.search:
        yield Problem(
            f"search[{dns.search.index(dns.domain)}]",
            f"is the cluster's own domain (got {show(dns.domain)})",
            "Remove it: every short name would be asked of Consul first.",
        )


class Dns(Section):
    """What unbound answers on every machine, and whom it asks."""

    checks = ((reads("domain", "search"), _clash),)

    domain: Annotated[Domain, AfterValidator(_own_domain)] = "consul"
    """The zone that Consul answers."""
    upstreams: Annotated[Many[Upstream], AfterValidator(_two)] = ()
    """Addresses of resolvers for everything else, two or more; none given: the platform's own."""
    search: Many[Domain] = ()
    """Domains to try for names without a dot."""
    cache_max_ttl: Annotated[Duration, within("1s", "24h")] = "1h"
    """Longest time that an answer from upstream is cached. Consul's answers are not cached."""
    cache_max_negative_ttl: Annotated[Duration, within("1s", "5m")] = "5s"
    """Longest time that "no such name" is cached: a name that was asked for too early appears after it."""
    serve_expired_ttl: Annotated[Duration, within("1s", "24h")] = "1h"
    """How long an expired answer may still be given while no upstream answers; public names only."""
