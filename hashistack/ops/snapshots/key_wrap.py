"""What unseals a restored Vault, closed so that it may lie in an archive.

A restored Vault opens with the key of the Vault that the snapshot was taken of alone. Where a key service unseals it
nothing is needed. Where the platform keeps the key (the document `vault-init` of its secret store), machines that are
made anew have another one, so the archive carries the old one along. It is closed with a secret of the stack, the
operator's Vault password, which Pulumi made and keeps: the stack that made the cluster opens it without a question to
anybody, and an archive alone opens nothing. Who has both has no more than the operator had, who may write every
policy.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os

from hashistack.errors import HashistackError
from hashistack.ops.api.connection import Connection

_SALT_BYTES = 16


class Closed(HashistackError):
    """The document does not open with this stack's secret."""


def stack_digest(connection: Connection) -> str:
    """Names the stack that made a cluster's tokens and shows none of them: they are random 122 bits each."""
    ids = (connection.nomad.secret, connection.consul.secret, connection.vault.secret)
    return hashlib.sha256("\n".join(("hashistack snapshot", *ids)).encode()).hexdigest()


def close(vault_init: str, connection: Connection) -> str:
    """The platform's document `vault-init`, without any root token, as text that only the stack's secret opens."""
    from cryptography.fernet import Fernet

    document = _without_root(vault_init)
    salt = os.urandom(_SALT_BYTES)
    closed = Fernet(_key(connection, salt)).encrypt(json.dumps(document).encode())
    return f"{base64.urlsafe_b64encode(salt).decode()}.{closed.decode()}"


def opens(closed: str, vault_init: str, connection: Connection) -> bool:
    """Whether `closed` is this document, and opens with the stack's secret of now."""
    try:
        return bool(closed) and unclose(closed, connection) == json.dumps(_without_root(vault_init))
    except Closed:
        return False


def document(key: str) -> str:
    """The platform's document `vault-init` for an unseal key (base64)."""
    return json.dumps({"keys_base64": [key.strip()]})


def unclose(closed: str, connection: Connection) -> str:
    """The document that `close` closed; "" of "".

    Raises:
        Closed: another stack closed it, or it is damaged.
    """
    from cryptography.fernet import Fernet, InvalidToken

    if not closed:
        return ""
    salt, _, token = closed.partition(".")
    try:
        return Fernet(_key(connection, base64.urlsafe_b64decode(salt))).decrypt(token.encode()).decode()
    except (InvalidToken, ValueError):
        raise Closed("the archive's unseal key does not open with this stack's secret") from None


def _without_root(vault_init: str) -> dict[str, object]:
    return {key: value for key, value in json.loads(vault_init).items() if key != "root_token"}


def _key(connection: Connection, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # No slow derivation: the password is a random UUID, not a person's.
    derive = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"hashistack vault-init")
    return base64.urlsafe_b64encode(derive.derive(connection.vault.secret.encode()))
