"""How Vault is sealed and unseals itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from hashistack.spec.problems import Problem, show
from hashistack.spec.section import Section, reads
from hashistack.spec.text import PlainText


def _key(seal: Seal) -> Iterator[Problem]:
    if seal.type == "platform" and seal.key is not None:
        yield Problem(
            "key",
            f"the platform makes its own key (got {show(seal.key)})",
            "Remove it, or name the seal's `type`.",
        )
    if seal.type != "platform" and seal.key is None:
        yield Problem(
            "key",
            f'the seal "{seal.type}" needs an existing key (got null)',
            "Give the key's id, or the type platform.",
        )


class Seal(Section):
    """Vault's seal. The loss of its key is the loss of every secret, backups included."""

    checks = ((reads("type", "key"), _key),)
    hints: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("access_key", "secret_key", "session_token", "credentials"),
        "Machines reach the key by their own identity. Remove it; never write credentials here.",
    )

    type: Literal["platform", "awskms", "gcpckms"] = "platform"
    """`platform`: a key that the provider makes and protects; otherwise an existing key of that service."""
    key: PlainText | None = None
    """Id of the existing key (an ARN, a resource name); none for `platform`."""
