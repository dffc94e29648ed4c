"""The connection with the operator's credentials, over a real socket."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import google.auth
import pytest
from google.auth.credentials import AnonymousCredentials

from hashistack.gcp.ops import session


class _Storage(BaseHTTPRequestHandler):
    """Cloud Storage that has taken a part of an upload, and waits for the next."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(308)
        self.send_header("range", "bytes=0-3")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def test_the_answer_to_a_part_of_an_upload_is_no_redirect(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
    monkeypatch.setattr(google.auth, "default", lambda scopes: (credentials, "x-project"))
    with HTTPServer(("127.0.0.1", 0), _Storage) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/upload"
        answer, _ = session._authorized()().request(url, "PUT", body=b"four")
    assert (answer.status, answer["range"]) == (308, "bytes=0-3")
