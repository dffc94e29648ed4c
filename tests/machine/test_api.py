"""Several requests at once, by the real curl to a real server."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

API = Path(__file__).parents[2] / "hashistack/machine/node/lib/api.sh"
SHELLS = (["dash"], ["busybox", "sh"])


class Server(ThreadingHTTPServer):
    """Keeps what it was asked; answers with a status and a body by path, and 204 to the rest."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.answers: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.connections: set[Any] = set()
        self.tokens: set[str | None] = set()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append((self.command, self.path, json.loads(body)))
        self.server.connections.add(self.client_address)
        self.server.tokens.add(self.headers["X-Token"])
        status, text = self.server.answers.get(self.path, (204, ""))
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_PUT = do_POST = answer

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def requests(shell: list[str], directory: Path, port: int, *lines: str) -> subprocess.CompletedProcess[str]:
    (directory / "api").mkdir()
    (directory / "api/ca.pem").write_text("none")
    script = f"""set -eu
run={directory}
say() {{ printf '%s\\n' "$*"; }}
. {API}
header own X-Token the-secret
requests own http://127.0.0.1:{port}/v1
echo "went on"
"""
    return subprocess.run(
        [*shell, "-c", script], input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_requests_go_in_order_over_one_connection(shell: list[str], server: Server, tmp_path: Path) -> None:
    told = {"Rules": 'key "a\\b" {\n\tpolicy = "read"\n}', "Name": "${value.x} 100% 'é' $HOME `id` @file \\n"}
    server.answers["/v1/acl/role"] = (200, '{"ID":\n"1"}\n')
    lines = (
        f"PUT acl/policy {json.dumps(told)}",
        f"POST acl/role {json.dumps(told, ensure_ascii=False)}",
        "PUT kv/a?b=c 1",
    )
    done = requests(shell, tmp_path, server.server_port, *lines)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")
    assert server.asked == [("PUT", "/v1/acl/policy", told), ("POST", "/v1/acl/role", told), ("PUT", "/v1/kv/a?b=c", 1)]
    assert len(server.connections) == 1
    assert server.tokens == {"the-secret"}


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_what_is_there_already_is_fine_and_what_fails_is_told(shell: list[str], server: Server, tmp_path: Path) -> None:
    server.answers = {
        "/v1/a": (400, '{"errors":["path is already in use at kv/"]}\n'),
        "/v1/b": (403, "permission\ndenied"),
    }
    done = requests(shell, tmp_path, server.server_port, "PUT a {}", "PUT b {}", "PUT c {}")
    assert done.returncode == 1
    assert "403 b: permission" in done.stdout
    assert "already" not in done.stdout + done.stderr
    assert "went on" not in done.stdout
    assert [path for _, path, _ in server.asked] == ["/v1/a", "/v1/b", "/v1/c"]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_nobody_there_is_a_failure(shell: list[str], server: Server, tmp_path: Path) -> None:
    port = server.server_port
    server.shutdown()
    server.server_close()
    done = requests(shell, tmp_path, port, "PUT a {}")
    assert done.returncode == 1
    assert "000 a: curl: (7)" in done.stdout
