"""Google Cloud as one machine sees it: metadata service, Cloud Storage, Secret Manager and Compute Engine's lists.

Each request to an API is judged by Google's discovery documents and by its token. Storage keeps generations and knows
`ifGenerationMatch=0`; Secret Manager keeps versions, aliases and etags.
"""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ..gcp.discovery import NotInTheDocument, judge

PROJECT, BUCKET, ID = "x-project", "x-bundles", "4520031799277581759"
METADATA = "/computeMetadata/v1/"
Answer = tuple[int, Any]


@dataclass
class Fault:
    """What the next call of this method gets instead of an answer.

    ``status`` 0: the connection is cut after ``body``; ``performed``: the call is made all the same, and only its
    answer is lost.
    """

    method: str
    status: int
    body: str = ""
    performed: bool = False


@dataclass
class Secret:
    """A secret: its versions' contents, of which None were destroyed."""

    versions: list[bytes | None] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    etag: int = 1


@dataclass
class Gcp:
    """A started project. ``calls``: the methods that were called; ``refused``: why others were not."""

    attributes: dict[str, str] = field(default_factory=dict)
    preempted: bool = False
    stop_state: str = ""
    lifetime: int = 3599
    calls: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Paths that the metadata service was asked for."""
    faults: list[Fault] = field(default_factory=list)
    outage: Callable[[str], int | None] = lambda path: None
    objects: dict[str, list[bytes]] = field(default_factory=dict)
    """Key to the contents of its generations, which count from 1."""
    secrets: dict[str, Secret] = field(default_factory=dict)
    instances: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=lambda: ["ya29.first"])
    address: str = ""
    url: str = ""

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self._one_at_a_time = threading.RLock()

    @contextmanager
    def running(self) -> Iterator[Gcp]:
        class Handler(_Handler):
            gcp = self

        server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        self.address = f"127.0.0.1:{server.server_port}"
        self.url = f"http://{self.address}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """How a machine's programs find it."""
        services = ("COMPUTE", "SECRETMANAGER", "STORAGE")
        return {"GCE_METADATA_HOST": self.address, **{f"HS_{service}_URL": self.url for service in services}}

    def change(self, **values: Any) -> None:
        """Changes what the metadata service says, and wakes who waits for that."""
        with self.changed:
            for name, value in values.items():
                setattr(self, name, value)
            self.changed.notify_all()

    def etag(self) -> str:
        return f"{hash((self.preempted, self.stop_state, *self.attributes.items())) & 0xFFFFFFFF:x}"

    def metadata(self, path: str, query: Mapping[str, str]) -> Answer:
        """An answer of the metadata service: text, or JSON."""
        if query.get("wait_for_change") == "true":
            with self.changed:
                self.changed.wait_for(lambda: self.etag() != query.get("last_etag"), float(query["timeout_sec"]))
            return 200, {"preempted": str(self.preempted).upper(), "attributes": self.attributes}
        known = {
            "instance/id": ID,
            "instance/name": "x-web-0vx2",
            "instance/zone": "projects/123456789012/zones/europe-west1-b",
            "instance/network-interfaces/0/ip": "10.9.8.7",
            "instance/preempted": "TRUE" if self.preempted else "FALSE",
            **({"instance/shutdown-details/stop-state": self.stop_state} if self.stop_state else {}),
            **{f"instance/attributes/{name}": value for name, value in self.attributes.items()},
        }
        if path == "instance/service-accounts/default/token":
            return 200, {"access_token": self.tokens[-1], "expires_in": self.lifetime, "token_type": "Bearer"}
        return (200, known[path]) if path in known else (404, "not there")

    def call(self, method: str, path: str, query: Mapping[str, str], body: bytes, token: str) -> Answer:
        """An answer of an API. Status 0: none, the connection is cut."""
        api = {"storage": "storage", "upload": "storage", "v1": "secretmanager", "compute": "compute"}[
            path.split("/")[1]
        ]
        if token not in self.tokens:
            return error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        try:
            value = json.loads(body) if body and api != "storage" else None
            called = judge(api, method, path, query, value)
        except NotInTheDocument as fault:
            self.refused.append(str(fault))
            return error(400, "INVALID_ARGUMENT", str(fault))
        with self._one_at_a_time:
            self.calls.append(called)
            fault_ = next((each for each in self.faults if each.method == called), None)
            if fault_:
                self.faults.remove(fault_)
                if fault_.performed:
                    self._do(called, path, query, body)
                return fault_.status, fault_.body
            return self._do(called, path, query, body)

    def _do(self, called: str, path: str, query: Mapping[str, str], body: bytes) -> Answer:
        match called:
            case "storage.objects.get":
                versions = self.objects.get(unquote(path.rpartition("/")[2]), [])
                wanted = int(query.get("generation") or len(versions))
                return (200, versions[wanted - 1]) if 0 < wanted <= len(versions) else error(404, "", "No such object")
            case "storage.objects.insert":
                if query.get("ifGenerationMatch") == "0" and query["name"] in self.objects:
                    return error(412, "", "At least one of the pre-conditions you specified did not hold.")
                self.objects.setdefault(query["name"], []).append(body)
                return 200, {"name": query["name"], "generation": str(len(self.objects[query["name"]]))}
            case "compute.instances.aggregatedList":
                return self._page(query)
        name = path.split("/")[5].partition(":")[0]
        return self._secret(called.rpartition(".")[2], path, self.secrets.get(name), json.loads(body or b"{}"))

    def _secret(self, verb: str, path: str, secret: Secret | None, body: Any) -> Answer:
        if secret is None:
            return error(404, "NOT_FOUND", "Secret not found.")
        match verb:
            case "addVersion":
                secret.versions.append(b64decode(body["payload"]["data"]))
                return 200, {"name": f"{path[4:].partition(':')[0]}/versions/{len(secret.versions)}"}
            case "get":
                return 200, {"name": path[4:], "versionAliases": secret.aliases, "etag": f'"{secret.etag}"'}
            case "patch":
                if body.get("etag") != f'"{secret.etag}"':
                    return error(400, "FAILED_PRECONDITION", "The etag does not match.")
                secret.aliases, secret.etag = body["versionAliases"], secret.etag + 1
                return 200, {"name": path[4:], "etag": f'"{secret.etag}"'}
        wanted = path.rpartition("/")[2].partition(":")[0]
        number = (
            len(secret.versions)
            if wanted == "latest"
            else int(secret.aliases.get(wanted, wanted if wanted.isdigit() else 0))
        )
        if not 0 < number <= len(secret.versions):
            return error(404, "NOT_FOUND", f"Secret Version [{wanted}] not found.")
        if verb == "destroy":
            secret.versions[number - 1] = None
            return 200, {"state": "DESTROYED"}
        data = secret.versions[number - 1]
        if data is None:
            return error(400, "FAILED_PRECONDITION", "The version is in DESTROYED state.")
        return 200, {"payload": {"data": b64encode(data).decode()}}

    def _page(self, query: Mapping[str, str]) -> Answer:
        """One instance a page, and before each an empty page, as filtered lists may have."""
        wanted = dict(part.split("=") for part in query["filter"].split(" AND "))
        (label, value), *_ = ((name[7:], value) for name, value in wanted.items() if name.startswith("labels."))
        found = [
            each for each in self.instances if each["labels"].get(label) == value and each["status"] == wanted["status"]
        ]
        page = int(query.get("pageToken") or 0)
        shown = [found[page // 2]] if page % 2 and page // 2 < len(found) else []
        interfaces = [{"networkInterfaces": [{"networkIP": each["ip"]}]} for each in shown]
        more = {"nextPageToken": str(page + 1)} if page < 2 * len(found) - 1 else {}
        return 200, {"items": {"zones/europe-west1-b": {"instances": interfaces}, "zones/europe-west1-c": {}}, **more}


def error(status: int, name: str, message: str) -> Answer:
    """As Google's APIs say it, over several lines."""
    return status, json.dumps({"error": {"code": status, "message": message, "status": name}}, indent=2)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(BaseHTTPRequestHandler):
    gcp: Gcp
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PATCH = do_GET

    def _handle(self) -> None:
        url, body = urlsplit(self.path), self.rfile.read(int(self.headers.get("content-length") or 0))
        query = dict(parse_qsl(url.query))
        if url.path.startswith(METADATA):
            path = url.path.removeprefix(METADATA)
            self.gcp.asked.append(path)
            down = self.gcp.outage(path)
            if self.headers.get("Metadata-Flavor") != "Google":
                down = 403
            status, answer = (down, "") if down else self.gcp.metadata(path, query)
        else:
            token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
            status, answer = self.gcp.call(self.command, url.path, query, body, token)
        data = (
            answer
            if isinstance(answer, bytes)
            else (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        )
        if status == 0:
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + data)
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.send_header("etag", self.gcp.etag())
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass
