"""An HTTP or HTTPS endpoint for Google's APIs: every request goes to `Apis`."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler

from ..box.http import Server, Tls
from .api import Apis


class Front:
    """Serves on `address`, at a port (0: any). context: None serves without TLS."""

    def __init__(self, address: str, apis: Apis, context: ssl.SSLContext | None = None, port: int = 443) -> None:
        class Handler(_Handler):
            pass

        Handler.apis = apis
        self._server = (_Secured if context else Server)((address, port), Handler)
        if context:
            self._server.tls = context  # type: ignore[union-attr]
        scheme = "https" if context else "http"
        self.url = f"{scheme}://{address}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="front", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Secured(Tls, Server):
    """Each connection is secured in its own thread."""


class _Handler(BaseHTTPRequestHandler):
    apis: Apis
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        url = f"https://{headers.get('host', '')}{self.path}"
        answer = self.apis.serve(self.command, url, headers, body)
        if answer.cut:
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n" + answer.content)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in {**answer.headers, "content-length": str(len(answer.content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        found = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to standard error: `Apis.seen` has them all."""
