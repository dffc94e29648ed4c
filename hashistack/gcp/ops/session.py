"""Calls to Google's APIs from an operator's machine: how they are retried, and what a failed one means."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import google.auth
import google_auth_httplib2
import httplib2
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from hashistack import call_log
from hashistack.errors import HashistackError

TRIES: Final = 6
"""Further ones, each after up to twice as long: a minute in all. Where Google is busy, or answers 5xx or not at all."""
TIMEOUT: Final = 150.0
"""Seconds without a byte: a request that waits for an operation is answered after up to 2 min."""
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LOGIN = "gcloud auth application-default login (or export GOOGLE_APPLICATION_CREDENTIALS=FILE)"

logging.getLogger("googleapiclient.http").setLevel(logging.ERROR)  # each retry would be a line for the user


class GoogleFailed(HashistackError):
    """Google refused or did not answer; the text says what and what to do next.

    status: HTTP's, 0 where there was no answer. reason: Google's own word, as `resourceNotReady`. denied: for want of a
    permission, or of any credentials, alone.
    """

    def __init__(self, what: str, remedy: str, status: int = 0, reason: str = "", denied: bool = False) -> None:
        super().__init__(what, remedy)
        self.status, self.reason, self.denied = status, reason, denied


class Google:
    """Google's APIs, with the operator's own credentials (application-default ones).

    Each call is checked against the API's own description before it is sent: its method, and names and forms of what is
    in its path and query.

    http: makes what requests go through; None takes a connection with the operator's credentials.
    """

    def __init__(self, http: Callable[[], Any] | None = None) -> None:
        self._http, self._own = http or _authorized(), threading.local()

    def ask(self, method: str, **given: Any) -> dict[str, Any]:
        """The answer to one call, as "compute.instances.get". Raises GoogleFailed."""
        return dict(self.execute(method, self.request(method, **given)) or {})

    def pages(self, method: str, **given: Any) -> Iterator[dict[str, Any]]:
        """The answers to a call of which each names the next. Raises GoogleFailed."""
        token: str | None = None
        while True:
            page = self.ask(method, **given, **({"pageToken": token} if token else {}))
            yield page
            if not (token := page.get("nextPageToken")):
                return

    def request(self, method: str, **given: Any) -> Any:
        """A call that has not been sent yet, for content that comes or goes piece by piece."""
        api, *resources, verb = method.split(".")
        found = self._service(api)
        for resource in resources:
            found = getattr(found, resource)()
        return getattr(found, verb)(**given)

    def execute(self, method: str, request: Any) -> Any:
        """Sends it. Raises GoogleFailed."""
        return self.sent(method, lambda: request.execute(num_retries=TRIES))

    def sent(self, method: str, send: Callable[[], Any]) -> Any:
        """What `send` answers. Raises GoogleFailed."""
        began, status = time.monotonic(), 200
        try:
            return send()
        except HttpError as error:
            status = int(error.resp.status)
            raise refusal(method, status, error.content) from None
        except (GoogleAuthError, httplib2.HttpLib2Error, OSError) as error:
            status = 0
            raise unanswered(error) from None
        finally:
            call_log.note("gcp", method, status, time.monotonic() - began)

    def _service(self, api: str) -> Any:
        """One for each thread: a connection serves one."""
        services: dict[str, Any] = self._own.__dict__.setdefault("services", {})
        if api not in services:
            services[api] = discovery.build(api, "v1", http=self._http(), static_discovery=True, cache_discovery=False)
        return services[api]


def _authorized() -> Callable[[], Any]:
    """Makes connections with the operator's credentials, which are looked for once."""
    found: list[Any] = []

    def connection() -> Any:
        if not found:
            try:
                found.append(google.auth.default(scopes=[_SCOPE])[0])
            except GoogleAuthError as error:
                raise unanswered(error) from None
        http = httplib2.Http(timeout=TIMEOUT)
        # Cloud Storage's answer to a part of an upload: go on.
        http.redirect_codes = http.redirect_codes - {308}
        return google_auth_httplib2.AuthorizedHttp(found[0], http=http)

    return connection


def unanswered(error: Exception) -> GoogleFailed:
    """What it means that there was no answer. Shows no credential."""
    match error:
        case DefaultCredentialsError():
            return GoogleFailed("no Google credentials are found", _LOGIN, denied=True)
        case RefreshError():
            return GoogleFailed(f"the Google credentials can't be renewed ({_line(str(error))})", _LOGIN)
        case TransportError() | httplib2.HttpLib2Error() | OSError():
            return GoogleFailed(
                f"Google does not answer ({_line(str(error))})", "look at the network or proxy, then repeat"
            )
    return GoogleFailed(_line(str(error)), _LOGIN)


def refusal(method: str, status: int, content: bytes) -> GoogleFailed:
    """What an answer that is an error means."""
    message, reason, service = _said(content)
    if status == 401:
        return GoogleFailed("Google does not accept these credentials", _LOGIN, status, reason)
    if status == 403 and reason in ("accessNotConfigured", "SERVICE_DISABLED"):
        service = service or f"{method.partition('.')[0]}.googleapis.com"
        return GoogleFailed(
            f"{service} is not enabled in this project", f"gcloud services enable {service}", status, reason
        )
    if status == 429 or reason in ("rateLimitExceeded", "userRateLimitExceeded"):
        told = f"Google throttles {method}, and did so to the last try"
        return GoogleFailed(told, "repeat in a minute", status, reason)
    if status == 403:
        told = f"these credentials may not call {method} ({message})"
        return GoogleFailed(told, "grant the role that has it to whom they are of", status, reason, denied=True)
    if status >= 500:
        told = f"Google answers {method} with {status}, and did so to the last try ({message})"
        return GoogleFailed(told, "repeat in a minute", status, reason)
    return GoogleFailed(f"{method}: {message or status}", "mend what it says, then repeat", status, reason)


def _said(content: bytes) -> tuple[str, str, str]:
    """Message, reason and service of an error, in the older form of Google's errors and in the newer one."""
    try:
        error = json.loads(content)["error"]
        details: list[Mapping[str, Any]] = [*error.get("errors", ()), *error.get("details", ())]
    except (ValueError, KeyError, TypeError, AttributeError):
        return _line(content[:200].decode(errors="replace")), "", ""
    reasons = [str(one["reason"]) for one in details if one.get("reason")]
    services = [str(one["metadata"]["service"]) for one in details if "service" in (one.get("metadata") or {})]
    reason = next((each for each in reasons if each == "SERVICE_DISABLED"), reasons[0] if reasons else "")
    return _line(str(error.get("message", ""))), reason, services[0] if services else ""


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")[:400]
