"""Image registries: what the docker driver needs to pull from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator

from hashistack.spec.problems import FieldError, Problem, show
from hashistack.spec.section import Many, Section, reads

if TYPE_CHECKING:
    from hashistack.spec.cluster import ClusterSpec

HUB = "docker.io"
"""Docker Hub, as images name it that name no registry."""

_HOST = re.compile(r"(?=.{1,128}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?")


def _host(host: str) -> str:
    if not _HOST.fullmatch(host):
        raise FieldError(
            "is not the host of a registry",
            'Write it as images do: "registry.example.com", with ":PORT" if it has one.',
        )
    return host


def _mirrors(mirrors: tuple[str, ...]) -> tuple[str, ...]:
    for mirror in mirrors:
        parts = urlsplit(mirror)
        if parts.scheme != "https" or not _HOST.fullmatch(parts.netloc) or parts.path.strip("/") or parts.query:
            raise FieldError(
                f"{show(mirror)} is not the address of a mirror",
                'Write "https://HOST" or "https://HOST:PORT": Docker takes no path, and without TLS anybody on the way'
                " could put other images there.",
            )
        if mirrors.count(mirror) > 1:
            raise FieldError(f"{show(mirror)} is listed twice", "List each mirror once.")
    return mirrors


def _certificates(pem: str) -> str:
    from cryptography import x509  # only ever needed where a registry has a CA of its own

    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise FieldError("is no certificate", "Give the CA's certificates as PEM text, without a key.") from None
    if "PRIVATE KEY" in pem:
        raise FieldError("has a private key in it", "Give the CA's certificates alone, and make a new key.")
    return pem


def _says_nothing(registry: Registry) -> Iterator[Problem]:
    if not (registry.ca or registry.mirrors or registry.credentials):
        yield Problem("", "says nothing of the registry", "Give `ca`, `credentials` or `mirrors`, or remove it.")
    if registry.mirrors and registry.host != HUB:
        yield Problem(
            "mirrors",
            f"Docker has mirrors of {HUB} alone (got {show(registry.mirrors)})",
            f'Set them at `host: {HUB}`, or name "{registry.host}" in images.',
        )


class Registry(Section):
    """A registry that needs more than its name."""

    checks = ((reads("host", "ca", "mirrors", "credentials"), _says_nothing),)

    host: Annotated[str, AfterValidator(_host)]
    """The registry as images name it, `registry.example.com:5000`; `docker.io` for images that name none."""
    ca: Annotated[str, AfterValidator(_certificates)] | None = None
    """Certificates (PEM) of the CAs that sign its own; none given: the CAs that the machine's image trusts."""
    credentials: Literal["vault"] | None = None
    """`vault`: for each pull the machine reads `username` and `password` at `kv/hashistack/registries/<host>` in the
    cluster's Vault; none given: the registry asks for none, or jobs bring their own."""
    mirrors: Annotated[Many[str], AfterValidator(_mirrors)] = ()
    """Pull-through mirrors of `docker.io`, asked in their order and before it: `https://HOST[:PORT]`."""


def registries(spec: ClusterSpec) -> Iterator[Problem]:
    """Two entries for one host."""
    hosts = [registry.host for registry in spec.registries]
    for index, host in enumerate(hosts):
        if host in hosts[:index]:
            yield Problem(
                f"registries[{index}].host",
                f'"{host}" is defined twice, first as registries[{hosts.index(host)}]',
                "Write all of a registry into one entry.",
            )
