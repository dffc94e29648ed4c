"""Known secrets out of texts, and the proof that none is in what was written. Pure."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from hashistack.spec.secret_detection import STRUCK, looks_secret, names_secret, struck_out

SHORTEST: Final = 8
"""Characters of what counts as a secret: a shorter text is in everything."""

_KEY_LINE: Final = 32
"""Characters of a line of a private key that give it away."""

_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S)
_MARK: Final = "4dabf18193072939515e22adb298388d"
"""The key by which the engine marks a value as special, here as secret; `plaintext` beside it is JSON."""
_KEYS: Final = "hashistack:index:ClusterSecrets"


def of_state(exported: Mapping[str, Any]) -> Iterator[str]:
    """The secrets in a stack's state, as `pulumi stack export --show-secrets` writes it."""
    for resource in (exported.get("deployment") or {}).get("resources") or ():
        for plain in _marked(resource):
            yield from of_data(json.loads(plain), named=resource.get("type") == _KEYS)


def _marked(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping):
        if _MARK in data and "plaintext" in data:
            yield data["plaintext"]
            return
        data = list(data.values())
    if isinstance(data, list):
        for value in data:
            yield from _marked(value)


def of_data(data: Any, named: bool = False) -> Iterator[str]:
    """The secrets in plain data: texts under a name that says so, or that look like one; also in JSON inside a text.

    named: everything in it is one, but for certificates.
    """
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from of_data(value, named or names_secret(str(name)))
    elif isinstance(data, list | tuple):
        for value in data:
            yield from of_data(value, named)
    elif isinstance(data, str):
        with suppress(ValueError):
            if data[:1] in ("{", "["):
                yield from of_data(json.loads(data), named)
                return
        if (named or looks_secret(data)) and "-----BEGIN CERTIFICATE" not in data[:40]:
            yield data


class Redaction:
    """Takes secrets out of texts, in each form in which they may stand there.

    secrets: what the project knows. Those that are shorter than `SHORTEST` are left out.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        values = {part for secret in secrets for part in _parts(secret) if len(part) >= SHORTEST}
        self.known = len(values)
        forms = {form for value in values for form in _forms(value)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))  # one may be in another

    def text(self, text: str) -> str:
        """The text without secrets, and without what looks like one that is not known."""
        for form in self._forms:
            text = text.replace(form, STRUCK)
        text = _PRIVATE_KEY.sub(STRUCK, text)
        return "".join(_line(line) for line in text.splitlines(keepends=True))

    def holds(self, data: bytes) -> bool:
        """Whether a known secret is in it, in any form."""
        return any(form.encode() in data for form in self._forms)


def _line(line: str) -> str:
    said = line.rstrip("\r\n")
    return struck_out(said) + line[len(said) :]


def _parts(secret: str) -> Iterator[str]:
    """A secret, and each line of one that has several: logs break lines."""
    yield secret
    lines = secret.strip().splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= _KEY_LINE and not line.startswith("-----"))


def _forms(value: str) -> Iterator[str]:
    """How a value is written: as it is, inside JSON, and in base64 wherever in a longer text it begins."""
    raw = value.encode()
    yield value
    yield json.dumps(value)[1:-1]
    for shift in range(3):
        coded = b64encode(bytes(shift) + raw).decode()
        # The first and last groups also depend on what stands beside it.
        inner = coded[4 if shift else 0 : len(coded) // 4 * 4 - 4]
        if len(inner) >= SHORTEST:
            yield inner
    with suppress(ValueError):
        # What is kept in base64 and written as bytes in hexadecimal, as a gossip key may be.
        decoded = b64decode(value, validate=True)
        if len(decoded) >= SHORTEST * 2:
            yield decoded.hex()
