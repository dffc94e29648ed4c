"""The vendor's signature of a release's checksums: OpenPGP, checked with pysequoia against one key.

The key is HashiCorp's (https://www.hashicorp.com/security), `hashicorp.asc` beside this module. The file that
HASHISTACK_RELEASE_KEY names takes its place, for a renewed one.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hashistack.home import expanded
from hashistack.toolchain.build import recipe
from hashistack.toolchain.tool import SignatureRefused, Wanted

if TYPE_CHECKING:
    from pysequoia import Cert

FINGERPRINT: Final = "C874011F0AB405110D02105534365D9472D7468F"
"""Of the key in `hashicorp.asc`; SECURITY.md has it too."""
VARIABLE: Final = "HASHISTACK_RELEASE_KEY"
SIGNED: Final = ("nomad", "consul", "vault")
"""The tools whose vendor signs its checksums."""


def needed(wanted: Wanted) -> bool:
    """Whether nothing but a signature can vouch for a tool: no digest is given, and no recipe of ours pins it."""
    return wanted.name in SIGNED and not wanted.sha256 and (wanted.name, wanted.version) not in recipe.available()


def signer(wanted: Wanted, file: str, sums: bytes, signature: bytes) -> str:
    """The fingerprint of the key that signed `sums`, the content of `file`. Raises SignatureRefused otherwise."""
    from pysequoia import Sig, verify

    key, place = _key()
    name = key.fingerprint.upper()
    if key.is_revoked or (key.expiration and key.expiration < datetime.now(UTC)):
        why = "was revoked" if key.is_revoked else f"expired on {key.expiration:%Y-%m-%d}"
        raise _refused(wanted, f"{file} can't be checked: the key {name} ({place}) {why}")
    try:
        given = Sig.from_bytes(signature)
    except Exception as error:  # the library raises no class of its own
        raise _refused(wanted, f"{file}.sig is no signature ({_first(error)})") from None
    try:
        found = verify(bytes=sums, store=lambda ids: [key], signature=given)
    except Exception as error:
        by = given.issuer_fingerprint or given.issuer_key_id or "?"
        raise _refused(
            wanted, f"{file} is not signed by {name} ({place}); its signature names {by.upper()} ({_first(error)})"
        ) from None
    return str(found.valid_sigs[0].certificate).upper()


def _key() -> "tuple[Cert, str]":
    """The one key that is trusted, and where it lies in words."""
    from pysequoia import Cert

    chosen = os.environ.get(VARIABLE)
    if not chosen:
        key = Cert.from_bytes(Path(__file__).with_name("hashicorp.asc").read_bytes())
        return key, "hashistack's copy of HashiCorp's"
    try:
        return Cert.from_bytes(expanded(chosen).read_bytes()), f"{VARIABLE}={chosen}"
    except Exception as error:
        raise SignatureRefused(
            f"{VARIABLE}={chosen} is no OpenPGP key: {_first(error)}",
            f"name a file that holds the vendor's public key, or unset {VARIABLE}",
        ) from None


def _refused(wanted: Wanted, what: str) -> SignatureRefused:
    return SignatureRefused(
        f"{wanted.label}: {what}: refused; nothing was kept",
        f"where the vendor has another key (https://www.hashicorp.com/security), export {VARIABLE}=FILE with it; "
        f"or give the archive's digest: versions.{wanted.name}: {{version, sha256}}",
    )


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
