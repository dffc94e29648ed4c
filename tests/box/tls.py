"""A server's side of TLS, for the standard library's threading servers."""

from __future__ import annotations

import ssl
from socket import socket
from typing import Any

HANDSHAKE_SECONDS = 10


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
