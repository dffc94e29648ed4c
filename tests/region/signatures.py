"""AWS's side of a signed request: who signed it, recomputed by botocore's own signer, not by code of ours.

A request is taken as it came over the wire. `Keyring.verify` answers who sent it, or raises `Refused` with the code
that AWS gives and with the reason in words. It knows no policies: who may do what is another matter.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

SKEW = 300
"""Seconds that a request's date may be off (AWS: 5 minutes; S3 takes 15)."""

UNSIGNED = re.compile(r"UNSIGNED-PAYLOAD|STREAMING-[A-Z0-9-]+")
"""What S3 takes in place of the body's digest; only over TLS, which is what keeps such a body whole."""

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r" *SignedHeaders=(?P<headers>[^,]+), *Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Request:
    """A request as it was received. ``url`` is absolute, its path and query still in the form that was sent."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class Credentials:
    """Keys that AWS gave out. Without ``token``: a user's, for good; with it: a session's, until ``expires``."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    expires: float = float("inf")
    """Seconds since the epoch."""
    whose: str = ""
    """An instance's id or a user's name."""


@dataclass(frozen=True)
class Signed:
    """What a request's signature proves."""

    credentials: Credentials
    region: str
    service: str


class Refused(Exception):
    """The request is not what it says. ``code`` is AWS's error code, ``status`` its HTTP status."""

    def __init__(self, code: str, reason: str, status: int = 403) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason, self.status = code, reason, status


class Keyring:
    """All keys that were given out; safe to use from several threads. ``clock`` gives seconds since the epoch."""

    def __init__(self, known: Iterable[Credentials] = (), clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._known = {credentials.access_key: credentials for credentials in known}

    def add(self, credentials: Credentials) -> Credentials:
        with self._lock:
            self._known[credentials.access_key] = credentials
        return credentials

    def issue(self, whose: str, lifetime: float | None = 6 * 3600) -> Credentials:
        """New keys: a session's for ``lifetime`` seconds, or a user's when that is None."""
        if lifetime is None:
            return self.add(Credentials(_key("AKIA"), secrets.token_urlsafe(30), whose=whose))
        # Real session tokens are base64, '/', '+' and '=' included.
        token = f"IQoJ/{secrets.token_urlsafe(300)}+/=="
        return self.add(Credentials(_key("ASIA"), secrets.token_urlsafe(30), token, self.clock() + lifetime, whose))

    def verify(self, request: Request) -> Signed:
        """Who signed ``request``, for which service and region.

        Raises:
            Refused: no or no readable signature, unknown or expired keys, another session's token, a date that is
                off, a header or body that the signature does not cover, or a signature that is another.
        """
        authorization = request.header("authorization")
        if authorization is None:
            raise Refused("MissingAuthenticationToken", "the request is not signed (no header Authorization)")
        found = _AUTHORIZATION.fullmatch(authorization.strip())
        if not found:
            raise Refused("IncompleteSignature", f"header Authorization is not SigV4: {authorization[:40]!r}", 400)
        with self._lock:
            credentials = self._known.get(found["key"])
        if credentials is None:
            raise Refused("UnrecognizedClientException", f"nobody was given the access key {found['key']}")
        given = request.header("x-amz-security-token") or ""
        if not hmac.compare_digest(given.encode(), credentials.token.encode()):
            lacks = "there is no session token" if not given else "the session token is not that of this access key"
            raise Refused("UnrecognizedClientException", lacks)
        if self.clock() >= credentials.expires:
            raise Refused("ExpiredTokenException", "the session token has expired", 400)
        signed = Signed(credentials, found["region"], found["service"])
        self._check_date(request, found["day"])
        _check_coverage(request, found["headers"].split(";"), signed.service)
        if not hmac.compare_digest(_signature(request, found["headers"].split(";"), signed), found["signature"]):
            raise Refused("SignatureDoesNotMatch", "botocore computes another signature for this request")
        return signed

    def _check_date(self, request: Request, day: str) -> None:
        date = request.header("x-amz-date") or ""
        try:
            sent = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise Refused("IncompleteSignature", f"header X-Amz-Date is {date!r}", 400) from None
        if not date.startswith(day):
            raise Refused("SignatureDoesNotMatch", f"the credential's scope is of {day}, X-Amz-Date says {date}")
        if abs(self.clock() - sent) > SKEW:
            raise Refused("RequestTimeTooSkewed", f"the request's date is {date}, {SKEW} s at most are allowed")


def _check_coverage(request: Request, names: list[str], service: str) -> None:
    """The signature must cover the host, everything of AWS's, and the body."""
    if names != sorted(names):
        raise Refused("SignatureDoesNotMatch", f"SignedHeaders are not sorted: {';'.join(names)}")
    sent = [name.lower() for name, _ in request.headers]
    if missing := [name for name in names if name not in sent]:
        raise Refused("SignatureDoesNotMatch", f"signed but not sent: {', '.join(missing)}")
    needed = {"host", *(name for name in sent if name.startswith("x-amz-") or name in ("content-type", "content-md5"))}
    if uncovered := sorted(needed.intersection(sent) - set(names)):
        raise Refused("SignatureDoesNotMatch", f"sent but not signed: {', '.join(uncovered)}")
    if "host" not in names:
        raise Refused("SignatureDoesNotMatch", "the signature does not cover the host")
    if repeated := sorted({name for name in names if sent.count(name) > 1}):
        raise Refused("SignatureDoesNotMatch", f"sent more than once: {', '.join(repeated)}")
    digest = request.header("x-amz-content-sha256")
    if digest is None:
        if service == "s3":
            raise Refused("InvalidRequest", "S3 needs the header x-amz-content-sha256", 400)
    elif UNSIGNED.fullmatch(digest):
        if service != "s3" or not request.url.startswith("https:"):
            raise Refused("InvalidRequest", f"x-amz-content-sha256 is {digest}: only for S3, and only over TLS", 400)
    elif digest != sha256(request.body).hexdigest():
        raise Refused("XAmzContentSHA256Mismatch", "x-amz-content-sha256 is not the digest of the body", 400)


def _signature(request: Request, names: list[str], signed: Signed) -> str:
    keys = BotoCredentials(
        signed.credentials.access_key, signed.credentials.secret_key, signed.credentials.token or None
    )
    signer = (S3SigV4Auth if signed.service == "s3" else SigV4Auth)(keys, signed.service, signed.region)
    headers = {name: value for name, value in request.headers if name.lower() in names}
    parts = urlsplit(request.url)
    again = AWSRequest(
        request.method, f"{parts.scheme}://{parts.netloc}{parts.path or '/'}?{parts.query}", headers, request.body
    )
    again.context["timestamp"] = request.header("x-amz-date")
    return str(signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again))


def _key(prefix: str) -> str:
    return prefix + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))
