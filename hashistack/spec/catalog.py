"""The releases that this version of hashistack is built for and tested with: facts, each from the vendor's own notes.

What is not known is left empty. Other releases can be pinned with their digests (`Pin`), at the operator's own risk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Product = Literal["nomad", "consul", "vault", "pulumi", "cni"]


@dataclass(frozen=True)
class Vulnerability:
    """A published vulnerability of a release, and the first community release without it (empty: none known)."""

    id: str
    what: str
    fixed_in: str = ""


@dataclass(frozen=True)
class Release:
    """One release. `ended` says since when, or with what, its series gets no more community releases."""

    product: Product
    version: str
    ended: str = ""
    vulnerabilities: tuple[Vulnerability, ...] = ()


_NOMAD_UNFIXED = (Vulnerability("CVE-2026-14891", "sandbox escape in the docker driver", "2.0.4"),)

RELEASES = (
    Release("nomad", "1.11.3", "the community edition of Nomad 1.11 ended with 1.11.3", _NOMAD_UNFIXED),
    Release(
        "nomad",
        "1.10.5",
        "the community edition of Nomad 1.10 ended with 1.10.5 (2025-09-09)",
        _NOMAD_UNFIXED,
    ),
    Release("consul", "1.22.3"),
    Release("consul", "1.21.0"),
    Release("vault", "1.21.2"),
    Release("vault", "1.21.0"),
    Release("pulumi", "3.259.0"),
    Release("cni", "1.9.0"),
)
"""Newest first for each product."""
