"""One HTTPS endpoint for every name of AWS: it checks each request's signature, then moto answers, in this process.

Machines reach it under names of AWS (see `dns`), the host by `AWS_ENDPOINT_URL`. A machine's requests are checked
against botocore's models too. A refused request gets AWS's error and stays in `refused`; every request is in `seen`, so
that a test can say what nobody may have done.
"""

from __future__ import annotations

import io
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import ThreadedWSGIServer

from ..box.http import Tls
from . import operations
from .signatures import Keyring, Refused, Request


@dataclass(frozen=True)
class Seen:
    """A request: who sent it (an instance's id or a user; "" where the signature was refused) and what it asked."""

    whose: str
    service: str
    action: str
    """The API's action; for S3 the method, the path and the query."""


class Front:
    """Serves on `address`, at port 443 or another (0: any).

    `outage` may answer any request with a status of its own, as a service that is down; `refusal` with an error of its
    own, as one that is asked too much, or by a role that it does not know yet.
    """

    def __init__(self, address: str, context: ssl.SSLContext, keyring: Keyring, port: int = 443) -> None:
        self.seen: list[Seen] = []
        self.refused: list[str] = []
        self.outage: Callable[[Seen], int | None] = lambda seen: None
        self.refusal: Callable[[Seen], Refused | None] = lambda seen: None
        self._keyring = keyring
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = _Server(address, port, self._answer, handler=_Handler)
        self._server.tls = context
        self.url = f"https://{address}" if port == 443 else f"https://{address}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, name="front", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], respond: Any) -> Iterable[bytes]:
        chunked = environ.pop("HTTP_TRANSFER_ENCODING", "") == "chunked"
        body = environ["wsgi.input"].read(*([] if chunked else [int(environ.get("CONTENT_LENGTH") or 0)]))
        environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": f"{len(body)}", "wsgi.url_scheme": "https"})
        headers = tuple(environ["region.headers"])
        request = Request(
            environ["REQUEST_METHOD"], f"https://{environ['HTTP_HOST']}{environ['region.target']}", headers, body
        )
        try:
            signed = self._keyring.verify(request)
        except Refused as refusal:
            asked = _asked("", environ, body)
            self.seen.append(Seen("", "", asked))
            self.refused.append(f"{refusal} ({asked} at {environ['HTTP_HOST']})")
            return _error(respond, environ, refusal.status, refusal.code, refusal.reason)
        seen = Seen(signed.credentials.whose, signed.service, _asked(signed.service, environ, body))
        self.seen.append(seen)
        try:
            if seen.whose.startswith("i-"):  # an SDK checks its own; what kms is asked is Vault's, which uses one
                operations.call(signed.service, request)
        except operations.NotInTheModel as problem:
            self.refused.append(f"{problem} ({seen})")
            return _error(respond, environ, 400, "ValidationError", str(problem))
        if status := self.outage(seen):
            return _error(respond, environ, status, "ServiceUnavailable", "the test says that this is down")
        if refused := self.refusal(seen):
            return _error(respond, environ, refused.status, refused.code, refused.reason)
        try:
            answer: Iterable[bytes] = self._moto(environ, respond)
        except NotImplementedError as lack:
            return _error(respond, environ, 501, "NotImplemented", str(lack))
        return answer


def _asked(service: str, environ: dict[str, Any], body: bytes) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    if (environ.get("CONTENT_TYPE") or "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode()).get("Action", ["?"])[0]
    query = environ.get("QUERY_STRING")
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}{f'?{query}' if query else ''}"


def _error(respond: Any, environ: dict[str, Any], status: int, code: str, reason: str) -> list[bytes]:
    """As S3, EC2 and the query services have it, or as the JSON services do: by its code a client tries again."""
    if "HTTP_X_AMZ_TARGET" in environ:
        kind, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": reason}).encode()
    else:
        text = f"<Error><Code>{code}</Code><Message>{escape(reason)}</Message></Error>"
        kind, body = "text/xml", f"<ErrorResponse>{text}</ErrorResponse>".encode()
    headers = [("Content-Type", kind), ("x-amzn-ErrorType", code), ("Content-Length", f"{len(body)}")]
    respond(f"{status} {re.sub('[^A-Za-z]', '', code)}", headers)
    return [body]


class _Server(Tls, ThreadedWSGIServer):
    """Each connection in a thread of its own."""


class _Handler(MotoRequestHandler):
    def make_environ(self) -> dict[str, Any]:
        return {**super().make_environ(), "region.headers": self.headers.items(), "region.target": self.path}

    def log(self, type: str, message: str, *args: object) -> None:
        """Nothing to standard error: `seen` has them all."""
