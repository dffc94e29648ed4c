"""Threading HTTP servers for stand-ins, with and without TLS."""

from __future__ import annotations

import ssl
import sys
from http.server import ThreadingHTTPServer
from socket import socket
from typing import Any

HANDSHAKE_SECONDS = 10


class Server(ThreadingHTTPServer):
    """Quiet about clients that go away."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Tls:
    """Before the class of a threading server: each connection is secured in its own thread."""

    tls: ssl.SSLContext
    daemon_threads = True
    request_queue_size = 128

    def finish_request(self, request: socket, client_address: Any) -> None:
        # Here and not in the listening socket: this thread alone waits for a client that says nothing.
        request.settimeout(HANDSHAKE_SECONDS)
        try:
            with self.tls.wrap_socket(request, server_side=True) as secured:
                secured.settimeout(None)
                super().finish_request(secured, client_address)  # type: ignore[misc]
        except OSError:
            return  # it went away, or trusts somebody else
