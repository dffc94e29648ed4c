"""Google's APIs in one process: each request is judged by its discovery document, its token and IAM, then served.

A service is an object that has a function for each method that it serves, named after it: `storage.objects.get` is
`objects_get`. It takes a `Call`, and answers a document (which is judged, too), an `Answer`, or raises `Refused`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import httplib2

from ..gcp.discovery import NotInTheDocument, answers, faults_of, judge
from .accounts import Tokens
from .iam import Iam

OPERATOR = "operator@example.org"
"""Who may do everything, as the owner of a project."""
_CANONICAL = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


class Refused(Exception):
    """An answer that is an error. status: HTTP's. reason: Google's word for it. service: what the reason is of."""

    def __init__(self, status: int, reason: str, message: str, service: str = "", canonical: str = "") -> None:
        super().__init__(message)
        detail: dict[str, Any] = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
        if service:
            detail["metadata"] = {"service": service}
        error = {
            "code": status,
            "message": message,
            "errors": [{"message": message, "domain": "global", "reason": reason}],
            "status": canonical or _CANONICAL.get(status, "INTERNAL"),
            "details": [detail],
        }
        self.status, self.message = status, message
        # Over several lines, as Google's are.
        self.content = json.dumps({"error": error}, indent=2).encode()


@dataclass(frozen=True)
class Call:
    """One request. whose: the account's email. path: its parts. said: the JSON of its body. content: what is none."""

    whose: str
    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    said: Any = None
    content: bytes = b""


@dataclass(frozen=True)
class Answer:
    """An answer that is no document."""

    content: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    """The connection ends before all of it has come."""


@dataclass(frozen=True)
class Seen:
    """A request that was understood: who sent it, its method and what it is about (for IAM)."""

    whose: str
    method: str
    resource: str


@dataclass
class Fault:
    """What the next call of this method gets instead of an answer. status 0: a part of one, then the end of the
    connection. performed: the call is made all the same, and only its answer is lost."""

    method: str
    status: int
    body: str = ""
    performed: bool = False


@dataclass
class Apis:
    """services: API (`storage`) to what serves it. tokens: None takes every request for the operator's.

    seen: what was asked. refused: what no client of Google's would have sent, or who is nobody. outage: may answer any
    request with a status of its own. away: nothing answers. lock: one request is served at a time.
    """

    services: Mapping[str, Any]
    tokens: Tokens | None = None
    iam: Iam | None = None
    seen: list[Seen] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    outage: Callable[[Seen], int | Refused | None] = lambda seen: None
    away: bool = False

    def __post_init__(self) -> None:
        self.lock = threading.RLock()

    def http(self, token: str = "") -> Wire:
        """What google-api-python-client sends through, in this process, with an access token."""
        return Wire(self, token)

    def serve(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to one request. headers: their names in lower case."""
        try:
            return self._serve(method, url, headers, body)
        except Refused as refused:
            if dict(parse_qsl(urlsplit(url).query)).get("alt") == "media":
                # Where content is asked for, Cloud Storage says what is wrong in plain words.
                return Answer(refused.message.encode(), refused.status, {"content-type": "text/html; charset=UTF-8"})
            return Answer(refused.content, refused.status, _JSON)

    def _serve(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if self.tokens and (parts.netloc, parts.path) == ("oauth2.googleapis.com", "/token"):  # in no document
            made = self.tokens.renewed(dict(parse_qsl(body.decode())).get("refresh_token", ""))
            if not made:
                raise Refused(400, "invalid_grant", "Bad Request")
            return _answered(made)
        whose = self._whose(headers, f"{method} {parts.path}")
        if "upload_id" in query:  # it is Google's own address, and in no document
            with self.lock:
                return _answered(self.services["storage"].part(query["upload_id"], headers, body))
        plain = headers.get("content-type", "").partition(";")[0] == "application/json"
        upload = query.get("uploadType") == "media"
        said = json.loads(body) if body and not upload and (plain or "content-type" not in headers) else None
        id_ = self._judged(parts.netloc, method, parts.path, query, said)
        api, _, name = id_.partition(".")
        segments = tuple(unquote(part) for part in parts.path.split("/"))
        call = Call(whose, id_, segments, query, headers, said, body if said is None else b"")
        service = self.services[api]
        permission, resource = service.needs(call) if hasattr(service, "needs") else ("", "")
        seen = Seen(whose, id_, resource)
        with self.lock:
            self.seen.append(seen)
            if down := self.outage(seen):
                raise down if isinstance(down, Refused) else Refused(down, "backendError", "Service Unavailable")
            if self.iam and whose != OPERATOR and not self.iam.allows(whose, permission, resource):
                raise Refused(403, "forbidden", f"Permission '{permission}' denied on resource '{resource}'")
            fault = next((each for each in self.faults if each.method == id_), None)
            if fault:
                self.faults.remove(fault)
            if fault is None or fault.performed:
                answer = getattr(service, name.replace(".", "_"))(call)
                if not isinstance(answer, Answer) and (wrong := faults_of(api, answers(api, id_), answer, answer=True)):
                    self.refused.append(f"the stand-in's answer to {id_}: {'; '.join(wrong)}")
                    raise Refused(500, "backendError", self.refused[-1])
            if fault:
                return Answer(fault.body.encode(), fault.status or 200, cut=not fault.status)
            return _answered(answer)

    def _whose(self, headers: Mapping[str, str], asked: str) -> str:
        if self.tokens is None:
            return OPERATOR
        whose = self.tokens.whose(headers.get("authorization", "").removeprefix("Bearer "))
        if whose is None:
            self.refused.append(f"no good token: {asked}")
            raise Refused(401, "authError", "Request had invalid authentication credentials.")
        return whose

    def _judged(self, host: str, method: str, path: str, query: Mapping[str, str], said: Any) -> str:
        """The id of the method. The API is the host's; where the host is a test's, the path says it."""
        first = path.split("/")[1]
        own = host.removesuffix(".googleapis.com")
        if own in self.services:
            apis = [own]
        else:
            known = {"compute": ["compute"], "storage": ["storage"], "upload": ["storage"]}
            apis = known.get(first) or [api for api in self.services if api not in ("compute", "storage")]
        faults = []
        for api in apis:
            try:
                return judge(api, method, path, query, said)
            except NotInTheDocument as fault:
                faults.append(str(fault))
        self.refused += faults
        raise Refused(400, "invalid", "; ".join(faults))


class Wire:
    """Requests of google-api-python-client in this process: as `httplib2.Http`."""

    def __init__(self, apis: Apis, token: str = "") -> None:
        self._apis, self._token = apis, token

    def request(
        self, uri: str, method: str = "GET", body: Any = None, headers: Any = None, **more: Any
    ) -> tuple[httplib2.Response, bytes]:
        if self._apis.away:
            raise ConnectionRefusedError(111, "Connection refused")
        content = body.read() if hasattr(body, "read") else (body or b"")
        content = content.encode() if isinstance(content, str) else content
        given = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
        if self._token:
            given["authorization"] = f"Bearer {self._token}"
        answer = self._apis.serve(method, uri, given, content)
        return httplib2.Response({"status": str(answer.status), **answer.headers}), answer.content

    def close(self) -> None:
        """Nothing is open."""


_JSON = {"content-type": "application/json; charset=UTF-8"}


def _answered(answer: Any) -> Answer:
    return answer if isinstance(answer, Answer) else Answer(json.dumps(answer, indent=2).encode(), headers=_JSON)
