"""The releases that this version of hashistack knows, read from `catalog.json`: facts from the vendor's notes.

What is not known is left empty there, and the vulnerabilities are those known on the day `CHECKED`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal

Product = Literal["nomad", "consul", "vault", "pulumi", "cni"]


@dataclass(frozen=True)
class Vulnerability:
    """A published vulnerability, and the first community release without it; all older ones have it."""

    product: Product
    id: str
    what: str
    fixed_in: str
    source: str


@dataclass(frozen=True)
class Step:
    """A step over a major release that the vendor supports, between two series ("1.11", "2.0"), and who says so."""

    product: Product
    before: str
    after: str
    source: str


Where = Literal[
    "job",
    "nomad_config",
    "consul_config",
    "vault_config",
    "nomad_policy",
    "vault_policy",
    "auth",
    "secrets",
    "behaviour",
]
"""What of a cluster a breaking change is about: jobs; a pool's own settings; policies of Nomad or Vault (an attribute
that is there twice); Vault's auth methods and secrets engines; nothing that can be looked at."""


@dataclass(frozen=True)
class BreakingChange:
    """What a release removes or changes under what a cluster may have.

    since: the first release that has it. path: a setting ("server.retry_join"), or a field of Nomad's job JSON, through
    lists too ("TaskGroups.Tasks.Driver"); any value counts, or `value` alone. types: of jobs, () for all. value: the
    type of an auth method or a secrets engine.
    stops: whether work would break that nobody touches; the others are worth knowing.
    """

    id: str
    product: Product
    since: str
    where: Where
    what: str
    remedy: str
    stops: bool
    source: str
    path: str = ""
    types: tuple[str, ...] = ()
    value: str = ""


@dataclass(frozen=True)
class Release:
    """One release.

    released: its day, "" where that is not known. ended: since when its series gets no more fixes, "" while it does.
    proven: our own cluster tests have run it. sha256: of the vendor's archives by architecture, {} where not known.
    """

    product: Product
    version: str
    released: str
    ended: str
    proven: bool
    sha256: Mapping[str, str]


_DATA: Final[dict[str, Any]] = json.loads((resources.files(__package__) / "catalog.json").read_text())

CHECKED: Final[str] = _DATA["checked"]
"""When the vendor's notes were last read ("2026-11-30"): the catalog's age."""
RELEASES: Final = tuple(
    Release(
        series["product"],
        one["version"],
        one["released"],
        series["ended"],
        one["proven"],
        one.get("sha256", {}),
    )
    for series in _DATA["series"]
    for one in series["releases"]
)
"""Newest first for each product. The newest proven one is the default."""
VULNERABILITIES: Final = tuple(Vulnerability(**each) for each in _DATA["vulnerabilities"])
MINORS: Final[Mapping[str, int]] = {product: limit["most"] for product, limit in _DATA["minors"].items()}
"""How many minor releases of one major a product may cross at once; one that is not in it, any."""
STEPS: Final = tuple(Step(**each) for each in _DATA["steps"])
BREAKING_CHANGES: Final = tuple(
    BreakingChange(**{**each, "types": tuple(each.get("types", ()))}) for each in _DATA["breaking_changes"]
)
"""From Nomad 1.10 on, of the community editions, as far as a cluster of ours can have it."""
