"""The instance metadata service (IMDSv2) of many instances: the paths and answers of EC2's, as its User Guide has them.

One server for all: a function of the address that a request comes from says which instance asks. Credentials come from
a `Keyring`, so that whoever verifies signatures with it knows them.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from ..box.http import Server
from .signatures import Credentials, Keyring

ROTATE_BEFORE = 300
"""Seconds before they expire, at least, at which EC2 has new credentials of an instance's role."""


@dataclass
class Instance:
    """What the service says of one instance. Change it at any time; the next answer has it."""

    id: str
    ip: str
    zone: str = "eu-central-1a"
    region: str = "eu-central-1"
    account: str = "123456789012"
    image: str = "ami-0123456789abcdef0"
    type: str = "t3.small"
    role: str = ""
    """The instance profile's role; "": it has none."""
    tags: dict[str, str] = field(default_factory=dict)
    """Those that the service shows: none where ``instance_metadata_tags`` is not enabled."""
    lifecycle_state: str | None = None
    """The state to which its Auto Scaling group takes it (``InService``, ``Terminated``); None: it is in no group."""
    spot: tuple[str, float] | None = None
    """A spot interruption: the action, and the second since the epoch at which it happens."""
    rebalance: float | None = None
    """When a rebalance was recommended, in seconds since the epoch."""
    user_data: str | None = None
    lifetime: float = 6 * 3600
    """Seconds that its role's credentials are valid."""


class Metadata:
    """The server. ``whose(address)`` says which instance asks from there; None is answered 404, as to a stranger.

    ``outage``: what to answer instead of anything, as a status code; None: all is well. ``requests`` are those that
    were answered: instance id (or ""), method, path and status.
    """

    def __init__(self, whose: Callable[[str], Instance | None], keyring: Keyring) -> None:
        self.whose, self.keyring = whose, keyring
        self.outage: Callable[[Instance, str], int | None] = lambda instance, path: None
        self.requests: list[tuple[str, str, str, int]] = []
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}
        self._credentials: dict[str, Credentials] = {}
        self._server: Server | None = None

    def start(self, address: str = "127.0.0.1", port: int = 0) -> str:
        """Serves from now on; answers its URL (``http://address:port``). May be started again after `stop`."""

        class Handler(_Handler):
            metadata = self

        self._server = Server((address, port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://{address}:{self._server.server_port}"

    def stop(self) -> None:
        """Nobody listens any more. What was given out stays valid."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def token(self, instance: Instance, ttl: int) -> str:
        """A session token of this instance, valid for ``ttl`` seconds."""
        token = f"AQAEA{secrets.token_urlsafe(36)}=="
        with self._lock:
            self._tokens[token] = (instance.id, self.keyring.clock() + ttl)
        return token

    def knows(self, instance: Instance, token: str) -> bool:
        with self._lock:
            owner, expires = self._tokens.get(token, ("", 0.0))
        return owner == instance.id and self.keyring.clock() < expires

    def credentials(self, instance: Instance) -> Credentials:
        """Those of the instance's role: the same until shortly before they expire."""
        with self._lock:
            found = self._credentials.get(instance.id)
            # Never shorter than half their life, for tests with lives of seconds.
            early = min(ROTATE_BEFORE, instance.lifetime / 2)
            if not found or found.expires - self.keyring.clock() < early:
                found = self._credentials[instance.id] = self.keyring.issue(instance.id, instance.lifetime)
            return found

    def rotate(self, instance: Instance) -> None:
        """The instance's role has new credentials from now on; the old ones stay good until they expire."""
        with self._lock:
            self._credentials.pop(instance.id, None)

    def forget_tokens(self) -> None:
        """All session tokens are void, as after a restart of the service."""
        with self._lock:
            self._tokens.clear()

    def answer(self, instance: Instance, path: str) -> str | None:
        """The text at this path (after ``/latest``); a directory lists what is in it. None: there is no such path."""
        tree = self._tree(instance)
        if path in tree:
            return tree[path]()
        directory = path.rstrip("/") + "/"
        names = {rest.split("/")[0] + "/" * ("/" in rest) for rest in _below(tree, directory)}
        return "\n".join(sorted(names)) or None

    def _tree(self, instance: Instance) -> dict[str, Callable[[], str]]:
        data = {
            "ami-id": instance.image,
            "hostname": f"ip-{instance.ip.replace('.', '-')}.{instance.region}.compute.internal",
            "instance-id": instance.id,
            "instance-type": instance.type,
            "local-ipv4": instance.ip,
            "placement/availability-zone": instance.zone,
            "placement/region": instance.region,
            "services/domain": "amazonaws.com",
            "services/partition": "aws",
            **{f"tags/instance/{key}": value for key, value in instance.tags.items()},
        }
        if instance.lifecycle_state is not None:
            data["autoscaling/target-lifecycle-state"] = instance.lifecycle_state
        if instance.spot:
            action, when = instance.spot
            data["spot/instance-action"] = json.dumps({"action": action, "time": _time(when)})
        if instance.rebalance is not None:
            data["events/recommendations/rebalance"] = json.dumps({"noticeTime": _time(instance.rebalance)})
        tree: dict[str, Callable[[], str]] = {}
        for path, text in data.items():
            tree[f"/meta-data/{path}"] = lambda text=text: text  # type: ignore[misc]
        if instance.role:
            tree[f"/meta-data/iam/security-credentials/{instance.role}"] = lambda: self._role(instance)
        tree["/dynamic/instance-identity/document"] = lambda: _document(instance)
        if instance.user_data is not None:
            tree["/user-data"] = lambda: str(instance.user_data)
        return tree

    def _role(self, instance: Instance) -> str:
        found = self.credentials(instance)
        told = {
            "Code": "Success",
            "LastUpdated": _time(self.keyring.clock()),
            "Type": "AWS-HMAC",
            "AccessKeyId": found.access_key,
            "SecretAccessKey": found.secret_key,
            "Token": found.token,
            "Expiration": _time(found.expires),
        }
        return json.dumps(told, indent=2)


class _Handler(BaseHTTPRequestHandler):
    metadata: Metadata
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "EC2ws", ""

    def do_PUT(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to standard error: `requests` has them all."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        instance = self.metadata.whose(self.client_address[0])
        path = unquote(urlsplit(self.path).path)
        status, text, headers = self._found(instance, path) if instance else (404, "", {})
        self.metadata.requests.append((instance.id if instance else "", self.command, path, status))
        body = (text or ("" if status == 200 else f"{status}")).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", "Content-Length": f"{len(body)}", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _found(self, instance: Instance, path: str) -> tuple[int, str, dict[str, str]]:
        outage = self.metadata.outage(instance, path)
        if outage is not None:
            return outage, "", {}
        if path == "/latest/api/token":
            return self._token(instance)
        if self.command != "GET":
            return 405, "", {}
        if not self.metadata.knows(instance, self.headers.get("X-aws-ec2-metadata-token") or ""):
            return 401, "", {}  # tokens are required, as our launch templates say
        text = self.metadata.answer(instance, path.removeprefix("/latest")) if path.startswith("/latest/") else None
        return (404, "", {}) if text is None else (200, text, {})

    def _token(self, instance: Instance) -> tuple[int, str, dict[str, str]]:
        name = "X-aws-ec2-metadata-token-ttl-seconds"
        if self.command != "PUT":
            return 405, "", {"Allow": "OPTIONS, PUT"}
        if self.headers.get("X-Forwarded-For"):
            return 403, "", {}
        ttl = self.headers.get(name) or ""
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return 400, "", {}
        return 200, self.metadata.token(instance, int(ttl)), {name: ttl}


def _below(tree: dict[str, Callable[[], str]], directory: str) -> list[str]:
    return [path.removeprefix(directory) for path in tree if path.startswith(directory)]


def _document(instance: Instance) -> str:
    told = {
        "accountId": instance.account,
        "architecture": "x86_64",
        "availabilityZone": instance.zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "imageId": instance.image,
        "instanceId": instance.id,
        "instanceType": instance.type,
        "kernelId": None,
        "marketplaceProductCodes": None,
        "pendingTime": "2026-01-01T00:00:00Z",
        "privateIp": instance.ip,
        "ramdiskId": None,
        "region": instance.region,
        "version": "2017-09-30",
    }
    return json.dumps(told, indent=2)


def _time(second: float) -> str:
    return datetime.fromtimestamp(int(second), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
