"""A service asked by its name: by its own address, past a proxy that the environment names."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import httpx
import pytest

from hashistack.testing import web


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = f"{self.headers['Host']} {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server, which is the environment's proxy besides."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        yield server.server_port
        server.shutdown()


def asked(url: str, port: int) -> str:
    answer = web.get(url, "consul", lambda name: [("127.0.0.1", port)], {})
    assert isinstance(answer, httpx.Response), answer
    return answer.text


def test_a_service_of_the_cluster_is_asked_by_no_proxy(port: int) -> None:
    assert asked("http://web.service.consul/a", port) == "web.service.consul /a"


def test_a_machines_address_is_asked_by_no_proxy(port: int) -> None:
    assert asked(f"http://127.0.0.1:{port}/a", port) == f"127.0.0.1:{port} /a"


def test_others_are_asked_as_the_environment_says(port: int) -> None:
    assert asked("http://example.invalid/a", port) == "example.invalid http://example.invalid/a"


def test_who_does_not_answer_is_told() -> None:
    assert web.get("http://web.service.consul/", "consul", lambda name: [], {}) == (
        "no instance of web.service.consul is healthy"
    )
    assert str(web.get("http://127.0.0.1:1/", "consul", lambda name: [], {})).startswith("http://127.0.0.1:1/: ")
    assert web.authority("::1", 80) == "[::1]:80"
