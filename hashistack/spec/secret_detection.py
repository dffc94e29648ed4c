"""Tells what looks like a secret, so that none is accepted in a specification or printed in an error."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Formats that vendors document for their own tokens and keys.
_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\bhv[sbr]\.[A-Za-z0-9_-]{20,}"  # Vault tokens
    r"|\bA(?:KIA|SIA)[A-Z0-9]{16}\b"  # AWS access keys
    r"|\bgh[pousr]_[A-Za-z0-9]{30,}"  # GitHub tokens
    r"|\bpul-[0-9a-f]{40}\b"  # Pulumi access tokens
    r"|\beyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\."  # JSON web tokens
    r"|^[A-Za-z0-9+/]{43}=$"  # 32 random bytes in base64: a gossip key
)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:token|password|passwd|secret|secrets|encrypt|gossip_key|private_key|access_key|secret_key"
    r"|credentials|unseal_key|recovery_key|api_key)(?:$|_)",
    re.IGNORECASE,
)


def looks_secret(value: str) -> bool:
    """Whether a text has the form of a token, a private key or a gossip key."""
    return _SECRET.search(value) is not None


def names_secret(field: str) -> bool:
    """Whether a field of this name would hold a secret."""
    return _SECRET_NAME.search(field) is not None


STRUCK = "<struck out>"
_PAIR = re.compile(rf"""((?:[\w.-]+:)*[\w.-]+)(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|{STRUCK}|\S+)""")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}")
_USERINFO = re.compile(r"(://)[^\s/@]+@")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def struck_out(line: str, secrets: Iterable[str] = ()) -> str:
    """A line of somebody's words without `secrets`, without what names say to be one, or what looks like one."""
    for secret in filter(None, secrets):
        line = line.replace(secret, STRUCK)
    line = _USERINFO.sub(rf"\1{STRUCK}@", _BEARER.sub(rf"\1{STRUCK}", line))
    line = _PAIR.sub(lambda found: f"{found[1]}{found[2]}{STRUCK}" if _pair_is_secret(found[1]) else found[0], line)
    line = " ".join(STRUCK if looks_secret(word) else word for word in line.split(" "))
    return STRUCK if looks_secret(line) else line


def _pair_is_secret(name: str) -> bool:
    return names_secret(re.sub(r"[.:-]", "_", _HUMP.sub("_", name)))
