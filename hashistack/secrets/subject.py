"""Whose keys they are: what the certificates of one cluster say, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashistack.spec import ClusterSpec


@dataclass(frozen=True)
class Subject:
    """A cluster's name, its places in the names of certificates, and how long these last, in days.

    renew_before_days: None leaves it to the handler.
    """

    name: str
    region: str
    datacenter: str
    domain: str
    ca_validity_days: int
    validity_days: int
    renew_before_days: int | None

    @classmethod
    def of(cls, spec: ClusterSpec) -> Subject:
        """What a specification says of it."""
        return cls(
            name=spec.name,
            region=spec.region,
            datacenter=spec.datacenter,
            domain=spec.dns.domain,
            ca_validity_days=spec.tls.ca_validity_days,
            validity_days=spec.tls.validity_days,
            renew_before_days=spec.tls.renew_before_days,
        )
