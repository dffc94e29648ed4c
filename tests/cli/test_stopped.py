"""What a command does where a cluster does not answer."""

from __future__ import annotations

import ssl
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hashistack.cli import stopped
from hashistack.ops.api.connection import Endpoint
from hashistack.ops.api.http import Api, ApiError
from hashistack.ops.api.vault import Vault


def test_an_election_of_vault_is_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([307] * 5)

    class Standby(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(next(told, 200))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"auth": {"client_token": "token", "lease_duration": 3600}}')

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    monkeypatch.setattr(stopped, "stopped", lambda connection: ((), False))
    monkeypatch.setattr(stopped, "PAUSE_SECONDS", 0.0)
    connection: Any = None
    with ThreadingHTTPServer(("127.0.0.1", 0), Standby) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with closing(Api("vault", [address, address], ssl.create_default_context())) as api:
            vault = Vault(api, Endpoint(address, "secret", "operator"))
            with pytest.raises(ApiError, match="answered 307"):
                vault.login()
            assert stopped.borne(connection, vault.login) == "token"
        server.shutdown()
