"""Which release of each tool a cluster runs, and which steps from one to another are supported."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_args

from pydantic import AfterValidator, BeforeValidator

from hashistack.spec.catalog import (
    BREAKING_CHANGES,
    MINORS,
    RELEASES,
    STEPS,
    VULNERABILITIES,
    BreakingChange,
    Product,
    Release,
    Vulnerability,
)
from hashistack.spec.problems import FieldError, show
from hashistack.spec.section import Section

PRODUCTS: tuple[Product, ...] = get_args(Product)
SIGNED: tuple[Product, ...] = ("nomad", "consul", "vault")
"""Products whose releases the vendor signs, so that any can be named: in the catalog or not, without a digest."""
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:[-+][0-9A-Za-z.+-]+)?", re.ASCII)


def known(product: Product) -> tuple[str, ...]:
    """The versions of a product in the catalog, newest first."""
    return tuple(release.version for release in RELEASES if release.product == product)


def newest_proven(product: Product) -> str:
    """The newest version of a product that our own tests have run: the default."""
    return next(release.version for release in RELEASES if release.product == product and release.proven)


def release(product: Product, version: str) -> Release | None:
    """What the catalog says of a version, or None."""
    return next((each for each in RELEASES if (each.product, each.version) == (product, version)), None)


def parse(version: str) -> tuple[int, int, int]:
    """Major, minor and patch of a version such as "1.11.3". Raises `FieldError`, a `ValueError`, otherwise."""
    match = _VERSION.fullmatch(version)
    if not match:
        raise FieldError("is not a version", 'Write three numbers in quotes: "1.11.3".')
    return int(match[1]), int(match[2]), int(match[3])


def vulnerabilities(product: Product, version: str) -> tuple[Vulnerability, ...]:
    """The known vulnerabilities of a community release, in the catalog or not; () for Enterprise, not known here."""
    if "+ent" in version:
        return ()
    own = parse(version)
    return tuple(flaw for flaw in VULNERABILITIES if flaw.product == product and own < parse(flaw.fixed_in))


def breaking_changes(product: Product, old: str, new: str) -> tuple[BreakingChange, ...]:
    """What changes for a cluster that goes from one version to another, by whatever hops."""
    return tuple(
        one for one in BREAKING_CHANGES if one.product == product and parse(old) < parse(one.since) <= parse(new)
    )


def series(version: str) -> str:
    """The series of a version: "1.11" for "1.11.3"."""
    major, minor, _ = parse(version)
    return f"{major}.{minor}"


@dataclass(frozen=True)
class Reason:
    """Why a step between versions is not supported, and what to do instead."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


def supported_step(product: Product, old: str, new: str) -> Reason | None:
    """Why a cluster cannot go from one version of a product to another in one step, or None if it can."""
    before, after = parse(old), parse(new)
    name = product.capitalize()
    if product in ("pulumi", "cni") or before == after:
        return None
    if after < before:
        return Reason(f"{name} cannot be downgraded", _NO_WAY_BACK[product])
    if _is_step(product, old, new):
        return None
    between = path(product, old, new)[:-1]
    if after[0] != before[0]:
        return Reason(
            f"{name} {series(old)} to {series(new)} is not a step that is known here",
            f"Go by way of {', then '.join(between)}." if between else "Keep the major release.",
        )
    most = MINORS[product]
    return Reason(
        f"{name} would skip too many minor releases, {most} at most are supported",
        f"Go by way of {', then '.join(between) or f'{after[0]}.{before[1] + most}'}.",
    )


def _is_step(product: Product, old: str, new: str) -> bool:
    """Whether a newer version may be gone to in one step."""
    before, after = parse(old), parse(new)
    if after[0] != before[0]:
        return any((step.product, step.before, step.after) == (product, series(old), series(new)) for step in STEPS)
    return after[1] - before[1] <= MINORS.get(product, after[1])


def path(product: Product, old: str, new: str) -> tuple[str, ...]:
    """The versions that lead from one to another, each a supported step, `new` the last; () where none do.

    What lies between is of the catalog, and as few as there can be.
    """
    ways: list[tuple[str, ...]] = [(old,)]
    while ways:
        for way in ways:
            if parse(way[-1]) < parse(new) and _is_step(product, way[-1], new):
                return (*way[1:], new)
        ways = [
            (*way, hop)
            for way in ways
            for hop in known(product)
            if parse(way[-1]) < parse(hop) < parse(new) and _is_step(product, way[-1], hop)
        ]
    return ()


_NO_WAY_BACK: Mapping[Product, str] = {
    "nomad": "Keep the version; going back means new servers, and clients drained and wiped.",
    "consul": "Keep the version; going back means a new cluster from a snapshot of the old version.",
    "vault": "Keep the version; going back means restoring the snapshot from before, with the old version.",
}


def supported_pair(servers: str, clients: str) -> Reason | None:
    """Why Nomad clients of one version cannot work with servers of another, or None if they can."""
    if parse(clients) > parse(servers):
        return Reason(f"Nomad clients ({clients}) are newer than the servers ({servers})", "Upgrade the servers first.")
    return None


def _digest(digest: str) -> str:
    if re.fullmatch(r"[0-9a-f]{64}", digest):
        return digest
    if re.fullmatch(r"[0-9a-fA-F]{64}", digest):
        raise FieldError("is a digest in upper case", f'Write it in lower case: "{digest.lower()}".')
    raise FieldError(f"is not a SHA-256 digest, {len(digest)} characters long", "Give 64 lower-case hex digits.")


def _digests(digests: dict[str, str]) -> dict[str, str]:
    if not digests:
        raise FieldError("has no digest", "Give one for each architecture in use: amd64: <64 hex digits>.")
    for arch in digests:
        if arch not in ("amd64", "arm64"):
            raise FieldError(f"{show(arch)} is not an architecture", "Known: amd64, arm64.")
    return digests


def _well_formed(version: str) -> str:
    parse(version)
    return version


def _text(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise FieldError("is not a version but a number", 'Quote it: "1.10" is text, 1.10 is a number.')
    return value


Version = Annotated[str, BeforeValidator(_text), AfterValidator(_well_formed)]


class Pin(Section):
    """A version whose archives must have exactly these digests; it need not be in the catalog."""

    hints: ClassVar[Mapping[str, str]] = {"sha256": "Give one for each architecture: {amd64: <64 hex digits>}."}

    version: Version
    """Three numbers: "1.11.3"."""
    sha256: Annotated[dict[str, Annotated[str, AfterValidator(_digest)]], AfterValidator(_digests)]
    """SHA-256 of the release for each architecture (amd64, arm64), 64 lower-case hex digits."""


def _cataloged(product: Product) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, Pin):
            return value
        if isinstance(value, Mapping):
            return Pin(**value)
        if not isinstance(_text(value), str):
            raise FieldError("is not a version", f'Write it in quotes: "{newest_proven(product)}".')
        _well_formed(value)
        if product in SIGNED and not re.fullmatch(r"\d+\.\d+\.\d+", value):
            raise FieldError("is no release of the community edition", "Pin any other: {version, sha256}.")
        if product not in SIGNED and release(product, value) is None:
            raise FieldError(
                "is not in the catalog",
                f"Known: {', '.join(known(product))}; any other needs {{version, sha256}}.",
            )
        return value

    return BeforeValidator(check)


class Versions(Section):
    """The release of each tool: a version, or a `Pin` with digests.

    Nomad, Consul and Vault: any that the vendor publishes, by its signature; the others: one of the catalog.
    """

    nomad: Annotated[str | Pin, _cataloged("nomad")] = newest_proven("nomad")
    """Nomad on all machines."""
    consul: Annotated[str | Pin, _cataloged("consul")] = newest_proven("consul")
    """Consul on all machines."""
    vault: Annotated[str | Pin, _cataloged("vault")] = newest_proven("vault")
    """Vault on the servers."""
    pulumi: Annotated[str | Pin, _cataloged("pulumi")] = newest_proven("pulumi")
    """Pulumi's engine, where hashistack fetches it."""
    cni: Annotated[str | Pin, _cataloged("cni")] = newest_proven("cni")
    """The CNI plugins on clients."""

    def of(self, product: Product) -> str:
        """The version of a product as text."""
        value: str | Pin = getattr(self, product)
        return value.version if isinstance(value, Pin) else value

    def digests(self, product: Product) -> Mapping[str, str]:
        """The archives' digests of a product by architecture, pinned or of the catalog; empty where none is known."""
        value: str | Pin = getattr(self, product)
        if isinstance(value, Pin):
            return value.sha256
        facts = release(product, value)
        return facts.sha256 if facts else {}
