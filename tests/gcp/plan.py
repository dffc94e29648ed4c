"""What a program declares on Google Cloud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hashistack.testing import Gcp, record

from ..aws.plan import SECRET_WORD, Plan

REGION = "europe-west1"
PROJECT = "x-project"

__all__ = ["PROJECT", "REGION", "SECRET_WORD", "Plan", "plan"]


def plan(program: Callable[[], Any], region: str = REGION, **options: Any) -> Plan:
    """Runs a program where no default provider is to be had; it returns a mapping of outputs."""
    return Plan(record(program, Gcp(region), disable_default_providers=["gcp"], **options))
