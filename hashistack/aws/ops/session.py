"""Calls to AWS from an operator's machine: how they are retried, and what a failed one means in one sentence."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore import exceptions
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.session import get_session

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
_BUSY = ("InternalError", "InternalFailure", "ServiceUnavailable", "Unavailable")


@dataclass(frozen=True)
class Failure:
    """Why a call failed and what to do next. `denied`: for want of a permission alone."""

    what: str
    remedy: str
    denied: bool = False

    def __str__(self) -> str:
        return f"{self.what}. Next: {self.remedy}"


class _Session(boto3.Session):
    """One that asks where the program's provider asks. `endpoints`: boto3's name of a service to its URL."""

    endpoints: Mapping[str, str] = {}

    def client(self, service_name: str, *args: Any, **given: Any) -> Any:
        if url := self.endpoints.get(service_name):
            given.setdefault("endpoint_url", url)
        return super().client(service_name, *args, **given)  # type: ignore[call-overload]


class _Roles(CredentialProvider):
    """The credentials of a role, taken on with another session's, and again before they end."""

    METHOD = "assume-role"

    def __init__(self, before: boto3.Session, role: Mapping[str, Any]) -> None:
        super().__init__()
        self._before, self._role = before, role

    def load(self) -> DeferredRefreshableCredentials:
        source = self._before.get_credentials()
        if source is None:
            raise exceptions.NoCredentialsError
        more = {name: value for name, value in self._role.items() if name != "RoleArn"}
        fetcher = AssumeRoleCredentialFetcher(
            partial(self._before.client, config=CONFIG), source, self._role["RoleArn"], extra_args=more
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)


def session(region: str | None = None, access: Mapping[str, Any] | None = None) -> boto3.Session:
    """The operator's own credentials, as the environment, the files or the machine give them.

    access: what the program's provider has instead, where it is set (`aws.provider.access`): `profile`; `roles`, each
    AssumeRole's parameters, taken on one after the other; `endpoints`, boto3's name of a service to its URL.

    Raises botocore's ProfileNotFound.
    """
    access = access or {}
    made = _Session(region_name=region, profile_name=access.get("profile"))
    made.endpoints = access.get("endpoints") or {}
    for role in access.get("roles") or ():
        core = get_session()
        core.register_component("credential_provider", CredentialResolver([_Roles(made, role)]))
        taken = _Session(region_name=region or made.region_name, botocore_session=core)
        taken.endpoints, made = made.endpoints, taken
    if call_log.is_on():
        made.events.register("before-call", _begun)
        made.events.register("after-call", _ended)
    return made


def of(connection: Connection) -> boto3.Session:
    """As the provider of the stack that made the cluster reaches AWS; its profile where this machine has one such.

    Raises botocore's ProfileNotFound.
    """
    template = connection.pools[0].template
    access = dict(template.get("access") or {})
    if access.get("profile") not in boto3.Session().available_profiles:
        access.pop("profile", None)
    return session(str(template.get("region") or "") or None, access)


def endpoint(asked: boto3.Session, service: str) -> str:
    """Where a session asks a service that its provider has an endpoint of its own for, by boto3's name; else ""."""
    return asked.endpoints.get(service, "") if isinstance(asked, _Session) else ""


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


def about_the_asked(error: exceptions.ClientError) -> bool:
    """Whether a refusal is about what was asked: not about whose credentials these are, nor about AWS's own state."""
    return error.response.get("Error", {}).get("Code") not in (*_EXPIRED, *_UNKNOWN, *_DENIED, *_THROTTLED, *_BUSY)


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
