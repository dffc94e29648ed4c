"""Calls to AWS from an operator's machine: how they are retried, and what a failed one means in one sentence."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore import exceptions
from botocore.config import Config

from hashistack import call_log

if TYPE_CHECKING:
    from hashistack.ops.api.connection import Connection

CONFIG = Config(
    # Waits twice as long before each repetition, and slows down where AWS throttles the account.
    retries={"mode": "adaptive", "total_max_attempts": 8},
    connect_timeout=5,
    read_timeout=30,
    # Each call is checked against the service's own model before it is sent.
    parameter_validation=True,
)

_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
_UNKNOWN = ("AuthFailure", "InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedAccess")
_THROTTLED = ("RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException")


@dataclass(frozen=True)
class Failure:
    """Why a call failed and what to do next. `denied`: for want of a permission alone."""

    what: str
    remedy: str
    denied: bool = False

    def __str__(self) -> str:
        return f"{self.what}. Next: {self.remedy}"


def session(region: str | None = None, profile: str | None = None) -> boto3.Session:
    """The operator's own credentials: of `profile`, else as the environment, the files or the machine give them.

    Raises botocore's ProfileNotFound.
    """
    made = boto3.Session(region_name=region, profile_name=profile)
    if call_log.is_on():
        made.events.register("before-call", _begun)
        made.events.register("after-call", _ended)
    return made


def of(connection: Connection) -> boto3.Session:
    """The credentials of the stack that made the cluster: its profile where this machine has one of that name.

    Raises botocore's ProfileNotFound.
    """
    template = connection.pools[0].template
    profile = str(template.get("profile") or "")
    known = bool(profile) and profile in boto3.Session().available_profiles
    return session(str(template.get("region") or "") or None, profile if known else None)


def _begun(context: dict[str, Any], **more: object) -> None:
    context["hashistack_began"] = time.monotonic()


def _ended(http_response: Any, model: Any, context: dict[str, Any], **more: object) -> None:
    took = time.monotonic() - context.get("hashistack_began", time.monotonic())
    call_log.note("aws", f"{model.service_model.service_name} {model.name}", http_response.status_code, took)


def failure(error: exceptions.BotoCoreError | exceptions.ClientError) -> Failure:
    """What one of botocore's errors means. Shows no credential: AWS's own messages hold none."""
    if isinstance(error, exceptions.ClientError):
        return _refused(error)
    match error:
        case exceptions.ProfileNotFound():
            return Failure(str(error).rstrip("."), "aws configure list-profiles, then export AWS_PROFILE=NAME")
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            return Failure("no AWS credentials are found", "export AWS_PROFILE=NAME, or aws configure sso")
        case (
            exceptions.SSOError()
            | exceptions.TokenRetrievalError()
            | exceptions.CredentialRetrievalError()
            | exceptions.SSOTokenLoadError()
        ):
            return Failure(f"the AWS credentials can't be renewed ({_line(str(error))})", "aws sso login, then repeat")
        case exceptions.HTTPClientError() | exceptions.ConnectionError():
            return Failure(f"AWS does not answer ({_line(str(error))})", "look at the network or proxy, then repeat")
    return Failure(_line(str(error)), "mend what it says, then repeat")


def _refused(error: exceptions.ClientError) -> Failure:
    said, call = error.response.get("Error", {}), error.operation_name
    code, message = said.get("Code", "?"), _line(said.get("Message", ""))
    if code in _EXPIRED:
        return Failure("the AWS credentials have expired", "aws sso login (or renew them otherwise), then repeat")
    if code in _UNKNOWN:
        return Failure(
            f"AWS does not accept these credentials ({code})", "export AWS_PROFILE=NAME of ones that it does"
        )
    if code in _DENIED or code.endswith("AccessDenied"):
        return Failure(
            f"these credentials may not call {call} ({message})", f"allow {call} in their policy", denied=True
        )
    if code in _THROTTLED:
        return Failure(f"AWS throttles {call}, and did so to the last try", "repeat in a minute")
    return Failure(f"{call}: {message or code}", "mend what it says, then repeat")


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")[:400]
