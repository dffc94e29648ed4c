"""A registry of container images over TLS, with a CA of its own and, where it is private, a user and a password.

It serves what the registry protocol asks for a pull. Ready-made ones (docker-registry) start a service where they are
installed, which is nothing for a machine that runs tests.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import ssl
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from hashistack.secrets import pki

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """Runs on `address` of this machine until `close`. Who finds its `directory` again has its port and its CA.

    credentials: `user:password` that it asks for, "" for none. asked: paths that were asked for, as `/v2/<name>/…`.
    """

    def __init__(self, address: str, directory: Path, credentials: str = "") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        kept = directory / "port"
        if not kept.exists():
            now = datetime.now(UTC)
            ca = pki.authority("a registry's CA", timedelta(days=200), now)
            own = pki.certificate(
                ca.cert_pem,
                ca.key_pem,
                common_name="registry",
                dns_names=[],
                ip_addresses=[address],
                validity=timedelta(days=100),
                now=now,
                usages=["server"],
            )
            (directory / "ca.pem").write_text(ca.cert_pem)
            (directory / "own.pem").write_text(own.cert_pem + own.key_pem)
        self.ca = (directory / "ca.pem").read_text()
        self.asked: list[str] = []
        self._expected = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else ""
        self._served: dict[str, tuple[str, bytes]] = {}
        self._answers = threading.Event()
        self._answers.set()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry._answer(self)

            do_HEAD = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # somebody does not like its certificate: the tests look at what they say

        port = int(kept.read_text()) if kept.exists() else 0
        self._server = Server((address, port), Handler)
        kept.write_text(str(self._server.server_port))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "own.pem")
        # The handshake is a thread's own, or one who waits keeps all others out.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.host = f"{address}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It takes requests meanwhile, and answers them in the end."""
        self._answers.clear()
        try:
            yield
        finally:
            self._answers.set()

    def serve(self, name: str, tag: str, saved: bytes) -> None:
        """Serve the image of `docker save` as `name:tag`."""
        with tarfile.open(fileobj=io.BytesIO(saved)) as tar:

            def read(path: str) -> bytes:
                member = tar.extractfile(path)
                assert member
                return member.read()

            (image,) = json.loads(read("manifest.json"))
            config = read(image["Config"])
            layers = [gzip.compress(read(layer), mtime=0) for layer in image["Layers"]]
        blobs = {f"sha256:{hashlib.sha256(blob).hexdigest()}": blob for blob in (config, *layers)}
        digests = list(blobs)
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": len(config),
                "digest": digests[0],
            },
            "layers": [
                {
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                    "size": len(blobs[digest]),
                    "digest": digest,
                }
                for digest in digests[1:]
            ],
        }
        body = json.dumps(manifest).encode()
        for reference in (tag, f"sha256:{hashlib.sha256(body).hexdigest()}"):
            self._served[f"/v2/{name}/manifests/{reference}"] = (_MANIFEST, body)
        for digest, blob in blobs.items():
            self._served[f"/v2/{name}/blobs/{digest}"] = ("application/octet-stream", blob)

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        self.asked.append(path)
        self._answers.wait()
        kind, body = self._served.get(path, ("application/json", b"{}"))
        status = 200 if path == "/v2/" or path in self._served else 404
        if self._expected and request.headers.get("Authorization") != self._expected:
            status, kind, body = (
                401,
                "application/json",
                b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}',
            )
        request.send_response(status)
        request.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
        if status == 401:
            request.send_header("WWW-Authenticate", 'Basic realm="registry"')
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)
