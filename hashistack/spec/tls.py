"""Certificates of the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from hashistack.spec.problems import Problem
from hashistack.spec.section import Section, reads


def _renewal(tls: Tls) -> Iterator[Problem]:
    if tls.renew_before_days is not None and tls.renew_before_days >= tls.validity_days:
        yield Problem(
            "renew_before_days",
            f"a certificate of {tls.validity_days} days is renewed at each run (got {tls.renew_before_days})",
            "Give less than `validity_days`; a third of it is a good choice.",
        )


def _inside_ca(tls: Tls) -> Iterator[Problem]:
    if tls.validity_days >= tls.ca_validity_days:
        yield Problem(
            "validity_days",
            f"a certificate cannot outlive its CA of {tls.ca_validity_days} days (got {tls.validity_days})",
            "Shorten it, or raise `ca_validity_days`.",
        )


class Tls(Section):
    """TLS is on for every connection; this says for how long its certificates are good."""

    checks = (
        (reads("validity_days", "renew_before_days"), _renewal),
        (reads("validity_days", "ca_validity_days"), _inside_ca),
    )
    hints: ClassVar[Mapping[str, str]] = {
        "enabled": "TLS is always on. Remove it.",
        "verify_server_hostname": "It is always on. Remove it.",
    }

    ca_validity_days: Annotated[int, Field(ge=30, le=7300)] = 3650
    """Days that the cluster's certificate authority is valid."""
    validity_days: Annotated[int, Field(ge=1, le=825)] = 365
    """Days that a role's certificate is valid."""
    renew_before_days: Annotated[int, Field(ge=1)] | None = None
    """Days before its end from which `pulumi up` renews a certificate; none given: a third of its life."""
    min_version: Literal["tls12", "tls13"] = "tls12"
    """Oldest version of TLS that is accepted."""
