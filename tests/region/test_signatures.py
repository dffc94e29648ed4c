"""The verifier: it takes what an AWS SDK signs, and nothing that differs from it by one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from .signatures import SKEW, Credentials, Keyring, Refused, Request


class Clock:
    """A clock that stands still, and that a test can turn."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._now = datetime.now(UTC).timestamp()

    def __call__(self) -> float:
        return self._now + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(clock: Clock) -> Keyring:
    return Keyring(clock=clock)


def signed(
    credentials: Credentials,
    *,
    service: str = "ec2",
    url: str = "https://ec2.eu-central-1.amazonaws.com/",
    body: bytes = b"Action=DescribeInstances",
) -> Request:
    """A request as botocore signs and sends it."""
    keys = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token or None)
    headers = {"Host": url.split("/")[2], "Content-Type": "application/x-www-form-urlencoded", "User-Agent": "x"}
    request = AWSRequest("POST", url, headers, body)
    (S3SigV4Auth if service == "s3" else SigV4Auth)(keys, service, "eu-central-1").add_auth(request)
    return Request("POST", url, tuple((name, str(value)) for name, value in request.headers.items()), body)


def changed(request: Request, name: str, value: str | None) -> Request:
    """The request with another value of a header, or without it."""
    rest = tuple((key, text) for key, text in request.headers if key.lower() != name.lower())
    return replace(request, headers=rest if value is None else (*rest, (name, value)))


@pytest.mark.parametrize("lifetime", [None, 60.0], ids=["a user's", "a session's"])
@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("ec2", "https://ec2.eu-central-1.amazonaws.com/"),
        ("s3", "https://b.s3.eu-central-1.amazonaws.com/a/b%20c//d?x-id=Put&list-type=2&prefix=a%2Fb"),
        ("autoscaling", "http://127.0.0.1:5000/a/../b?z=1&a=2&a=1"),
    ],
)
def test_what_an_sdk_signs_is_taken(keyring: Keyring, lifetime: float | None, service: str, url: str) -> None:
    credentials = keyring.issue("i-1", lifetime)
    found = keyring.verify(signed(credentials, service=service, url=url))
    assert (found.credentials.whose, found.service, found.region) == ("i-1", service, "eu-central-1")


TAMPERED: dict[str, tuple[str, Callable[[Request], Request]]] = {
    "the body": ("SignatureDoesNotMatch", lambda request: replace(request, body=b"Action=TerminateInstances")),
    "the path": ("SignatureDoesNotMatch", lambda request: replace(request, url=request.url + "x")),
    "the query": ("SignatureDoesNotMatch", lambda request: replace(request, url=request.url + "?x=1")),
    "the method": ("SignatureDoesNotMatch", lambda request: replace(request, method="GET")),
    "the host": ("SignatureDoesNotMatch", lambda request: changed(request, "Host", "evil.example")),
    "the date": ("SignatureDoesNotMatch", lambda request: changed(request, "X-Amz-Date", _other_second(request))),
    "the day": ("SignatureDoesNotMatch", lambda request: changed(request, "X-Amz-Date", "20200101T000000Z")),
    "no date": ("IncompleteSignature", lambda request: changed(request, "X-Amz-Date", None)),
    "no token": ("UnrecognizedClientException", lambda request: changed(request, "X-Amz-Security-Token", None)),
    "another token": ("UnrecognizedClientException", lambda request: changed(request, "X-Amz-Security-Token", "x")),
    "one header more": ("SignatureDoesNotMatch", lambda request: changed(request, "X-Amz-Target", "x")),
    "a signed header less": ("SignatureDoesNotMatch", lambda request: changed(request, "Content-Type", None)),
    "no signature": ("MissingAuthenticationToken", lambda request: changed(request, "Authorization", None)),
    "another scheme": ("IncompleteSignature", lambda request: changed(request, "Authorization", "Basic eDp5")),
}


def _other_second(request: Request) -> str:
    date = request.header("x-amz-date") or ""
    return f"{date[:13]}{(int(date[13:15]) + 1) % 60:02}Z"


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_tampered_with_is_refused(keyring: Keyring, what: str) -> None:
    code, tamper = TAMPERED[what]
    request = signed(keyring.issue("i-1"))
    keyring.verify(request)
    with pytest.raises(Refused) as refused:
        keyring.verify(tamper(request))
    assert refused.value.code == code, refused.value


def test_keys_that_nobody_was_given_are_refused(keyring: Keyring) -> None:
    with pytest.raises(Refused, match="UnrecognizedClientException: nobody was given the access key ASIA"):
        keyring.verify(signed(Keyring().issue("i-1")))


def test_anothers_secret_under_a_known_key_is_refused(keyring: Keyring) -> None:
    known, other = keyring.issue("i-1"), keyring.issue("i-2")
    with pytest.raises(Refused, match="SignatureDoesNotMatch"):
        keyring.verify(signed(replace(known, secret_key=other.secret_key)))


def test_credentials_expire(keyring: Keyring, clock: Clock) -> None:
    request = signed(keyring.issue("i-1", 100))
    clock.ahead = 99
    keyring.verify(request)
    clock.ahead = 101
    with pytest.raises(Refused, match="ExpiredTokenException"):
        keyring.verify(request)


@pytest.mark.parametrize("ahead", [SKEW + 5, -SKEW - 5])
def test_a_clock_that_is_off_is_refused(keyring: Keyring, clock: Clock, ahead: float) -> None:
    request = signed(keyring.issue("i-1"))
    clock.ahead = ahead
    with pytest.raises(Refused, match="RequestTimeTooSkewed"):
        keyring.verify(request)


def test_s3_wants_the_digest_of_the_body(keyring: Keyring) -> None:
    credentials = keyring.issue("i-1")
    url = "https://b.s3.eu-central-1.amazonaws.com/k"
    request = signed(credentials, service="s3", url=url)
    with pytest.raises(Refused, match="S3 needs the header x-amz-content-sha256"):
        keyring.verify(_without_digest(credentials, url))
    with pytest.raises(Refused, match="XAmzContentSHA256Mismatch"):
        keyring.verify(replace(request, body=b"another"))


def _without_digest(credentials: Credentials, url: str) -> Request:
    """S3's scope, signed as for any other service: without the digest."""
    keys = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token)
    request = AWSRequest("GET", url, {"Host": url.split("/")[2]}, b"")
    SigV4Auth(keys, "s3", "eu-central-1").add_auth(request)
    headers = tuple((name, str(value)) for name, value in request.headers.items())
    return Request("GET", url, headers)


@pytest.mark.parametrize(("scheme", "taken"), [("https", True), ("http", False)])
def test_an_unsigned_body_is_taken_by_s3_over_tls_alone(keyring: Keyring, scheme: str, taken: bool) -> None:
    credentials = keyring.issue("i-1")
    url = f"{scheme}://b.s3.eu-central-1.amazonaws.com/k"
    keys = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token)
    unsigned = {"Host": url.split("/")[2], "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    request = AWSRequest("PUT", url, unsigned, b"body")
    SigV4Auth(keys, "s3", "eu-central-1").add_auth(request)
    received = Request("PUT", url, tuple((name, str(value)) for name, value in request.headers.items()), b"body")
    if taken:
        assert keyring.verify(received).service == "s3"
    else:
        with pytest.raises(Refused, match="only over TLS"):
            keyring.verify(received)


def test_no_secret_is_in_a_representation(keyring: Keyring) -> None:
    credentials = keyring.issue("i-1")
    assert credentials.secret_key not in repr(credentials)
    assert credentials.token not in repr(credentials)
