"""The releases that this version of hashistack is built for and tested with; facts from the vendor's notes.

What is not known is left empty, and the vulnerabilities are those known when this was written. Other releases
can be pinned with their digests (`Pin`), untested.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Product = Literal["nomad", "consul", "vault", "pulumi", "cni"]


@dataclass(frozen=True)
class Vulnerability:
    """A published vulnerability of a release, and the first community release without it."""

    id: str
    what: str
    fixed_in: str


@dataclass(frozen=True)
class Release:
    """One release. `ended` says with what its series ended, empty where that is not known."""

    product: Product
    version: str
    ended: str = ""
    vulnerabilities: tuple[Vulnerability, ...] = ()


# HCSEC-2026-14, -21, -22 and the notes of Nomad 2.0.1: fixed in later 1.10 and 1.11 for Enterprise only.
_NOMAD = (
    Vulnerability("CVE-2026-6959", "files of the client's host read and written through a symlink", "2.0.1"),
    Vulnerability("CVE-2026-7474", "code run on the client's host by a host volume plugin's path", "2.0.1"),
    Vulnerability("CVE-2026-14891", "the docker driver mounts host paths though volumes are disabled", "2.0.4"),
    Vulnerability("CVE-2026-14896", "a host volume's claim deleted from another namespace", "2.0.4"),
)
# HCSEC-2025-28 and -29.
_CONSUL_1_21 = (
    Vulnerability("CVE-2025-11374", "denial of service through the key/value endpoint", "1.22.0"),
    Vulnerability("CVE-2025-11375", "denial of service through the event endpoint", "1.22.0"),
)
# HCSEC-2026-08 and -26.
_VAULT = (
    Vulnerability("CVE-2026-5807", "anyone can keep root token generation and rekeying occupied", "2.0.0"),
    Vulnerability("CVE-2026-12624", "a wildcard deny does not stop a LIST with a trailing slash", "2.0.3"),
)

# A series of the community edition ends with the next one (a maintainer in hashicorp/vault#28471): 2.0, April 2026.
_VAULT_1_21 = "the community edition's 1.21 ended with 2.0"

# Consul's date: https://developer.hashicorp.com/consul/docs/v1.22.x/upgrade/lts
RELEASES = (
    Release("nomad", "1.11.3", "1.11.3 is the last of the community edition's 1.11", _NOMAD),
    Release("nomad", "1.10.5", "1.10.5 (2025-09-09) is the last of the community edition's 1.10", _NOMAD),
    Release("consul", "1.22.3", "support of Consul 1.22 ended on 2026-10-31"),
    Release("consul", "1.21.0", "the community edition's 1.21 ended with 1.22", _CONSUL_1_21),
    Release("vault", "1.21.2", _VAULT_1_21, _VAULT),
    Release("vault", "1.21.0", _VAULT_1_21, _VAULT),
    Release("pulumi", "3.259.0"),
    Release("cni", "1.9.0"),
)
"""Newest first for each product."""
