"""The metadata server of many instances, with the paths, headers and answers of Compute Engine's.

One server for all: a function of the address that a request comes from says which instance asks. Access tokens come
from `Tokens`, so that whoever checks them knows them. https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ..box.http import Server
from .accounts import LIFETIME, Tokens

ROOT = "/computeMetadata/v1/"
RENEWED_BEFORE = 300
"""Seconds before it expires, at least, at which the server has a new access token.
https://cloud.google.com/compute/docs/access/authenticate-workloads"""


class Own(dict[str, Any]):
    """A directory whose names are a user's: JSON leaves them as they are."""


@dataclass
class Instance:
    """What the server says of one instance. account: its service account's email, "" without one."""

    id: str
    name: str
    ip: str
    account: str = ""
    zone: str = "europe-west1-b"
    project: str = "x-project"
    number: str = "123456789012"
    machine_type: str = "n2-standard-2"
    spot: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    guest_attributes: dict[str, str] = field(default_factory=dict)
    """What it has said of itself: `<namespace>/<key>` to its value."""
    preempted: bool = False
    maintenance_event: str = "NONE"
    stop_state: str = ""
    """PENDING_STOP while a graceful shutdown goes on; "" otherwise."""
    lifetime: float = LIFETIME
    """Seconds that its tokens are good for."""


@dataclass(frozen=True)
class Asked:
    """A request: the instance's name ("" where nobody's address asked), and its path."""

    whose: str
    path: str


class Metadata:
    """whose: the instance that has an address. outage: may answer any request with a status of its own. waiting:
    requests that wait for a change."""

    def __init__(self, whose: Callable[[str], Instance | None], tokens: Tokens) -> None:
        self.whose, self.tokens = whose, tokens
        self.asked: list[Asked] = []
        self.outage: Callable[[Instance, str], int | None] = lambda instance, path: None
        self.changed, self.waiting = threading.Condition(), 0
        self._given: dict[str, tuple[str, float]] = {}
        self._server: Server | None = None

    def start(self, address: str = "127.0.0.1", port: int = 0) -> str:
        """Serves from now on; answers where (``address:port``). May be started again after `stop`."""

        class Handler(_Handler):
            metadata = self

        self._server = Server((address, port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="metadata", daemon=True).start()
        return f"{address}:{self._server.server_port}"

    def stop(self) -> None:
        """Nobody listens any more; what was given out stays good."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def change(self, instance: Instance, **values: Any) -> None:
        """Changes what is said of an instance, and wakes who waits for that."""
        with self.changed:
            for name, value in values.items():
                setattr(instance, name, value)
            self.changed.notify_all()

    def token(self, instance: Instance) -> dict[str, Any]:
        """The access token of the instance's account: the same until shortly before it expires."""
        with self.changed:
            token, expires = self._given.get(instance.id, ("", 0.0))
            # Never shorter than half its life, for tests with lives of seconds.
            if expires - self.tokens.clock() < min(RENEWED_BEFORE, instance.lifetime / 2):
                token, expires = (
                    self.tokens.issue(instance.account, instance.lifetime),
                    self.tokens.clock() + instance.lifetime,
                )
                self._given[instance.id] = (token, expires)
        return {"access_token": token, "expires_in": int(expires - self.tokens.clock()), "token_type": "Bearer"}

    def renew(self, instance: Instance) -> None:
        """The instance's account has another token from now on."""
        with self.changed:
            self._given.pop(instance.id, None)

    def identity(self, instance: Instance, query: Mapping[str, str]) -> str:
        """A signed statement of which instance asks, for an audience.
        https://cloud.google.com/compute/docs/instances/verifying-instance-identity"""
        claims: dict[str, Any] = {
            "aud": query["audience"],
            "azp": instance.id,
            "email": instance.account,
            "email_verified": True,
            "sub": instance.id,
        }
        if query.get("format") == "full":
            claims["google"] = {
                "compute_engine": {
                    "project_id": instance.project,
                    "project_number": int(instance.number),
                    "zone": instance.zone,
                    "instance_id": instance.id,
                    "instance_name": instance.name,
                }
            }
        return self.tokens.identity(claims)

    def found(self, instance: Instance, path: str, query: Mapping[str, str]) -> Any:
        """A value (text or a list), or a directory, at a path below `ROOT`; None: there is nothing."""
        here: Any = _tree(instance)
        for part in filter(None, path.split("/")):
            if isinstance(here, list) and part.isdigit() and int(part) < len(here):
                here = here[int(part)]
            elif isinstance(here, Mapping) and part in here:
                here = here[part]
            else:
                return None
        return here

    def waited(self, instance: Instance, path: str, query: Mapping[str, str]) -> Any:
        """The same, as soon as it is another than the one of `last_etag`, or after `timeout_sec`."""
        known = query.get("last_etag") or etag(self.found(instance, path, query))
        patience = float(query["timeout_sec"]) if "timeout_sec" in query else None
        with self.changed:
            self.waiting += 1
            self.changed.wait_for(lambda: etag(self.found(instance, path, query)) != known, patience)
            self.waiting -= 1
        return self.found(instance, path, query)


def etag(found: Any) -> str:
    """Of what is at a path."""
    return sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]


def _tree(instance: Instance) -> dict[str, Any]:
    account = {
        "aliases": ["default"],
        "email": instance.account,
        "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
    }
    place = f"projects/{instance.number}"
    return {
        "instance": {
            "attributes": Own(instance.attributes),
            "cpu-platform": "Intel Cascade Lake",
            "hostname": f"{instance.name}.{instance.zone}.c.{instance.project}.internal",
            "id": int(instance.id),
            "image": "projects/debian-cloud/global/images/debian-12",
            "machine-type": f"{place}/machineTypes/{instance.machine_type}",
            "maintenance-event": instance.maintenance_event,
            "name": instance.name,
            "network-interfaces": [
                {"ip": instance.ip, "mac": "42:01:0a:00:00:02", "mtu": 1460, "network": f"{place}/networks/machines"}
            ],
            "preempted": "TRUE" if instance.preempted else "FALSE",
            "scheduling": {
                "automatic-restart": "FALSE" if instance.spot else "TRUE",
                "on-host-maintenance": "TERMINATE" if instance.spot else "MIGRATE",
                "preemptible": "TRUE" if instance.spot else "FALSE",
            },
            "service-accounts": Own({"default": account, instance.account: account} if instance.account else {}),
            **({"shutdown-details": {"stop-state": instance.stop_state}} if instance.stop_state else {}),
            "tags": Tags(),
            "zone": f"{place}/zones/{instance.zone}",
        },
        "project": {
            "attributes": Own(),
            "numeric-project-id": int(instance.number),
            "project-id": instance.project,
        },
    }


class Tags(list[str]):
    """A value that is a list, and no directory."""


def _json(found: Any, own: bool = False) -> Any:
    """A directory with all below it. Names are in camel case but for a user's own."""
    if isinstance(found, Mapping):
        return {
            name if isinstance(found, Own) else re.sub("-(.)", lambda it: it[1].upper(), name): _json(value)
            for name, value in found.items()
        }
    return [_json(each) for each in found] if isinstance(found, list) else found


def _listed(found: Mapping[str, Any] | list[Any]) -> str:
    items = found.items() if isinstance(found, Mapping) else ((str(n), each) for n, each in enumerate(found))
    names = (f"{name}/" if _directory(each) else name for name, each in items)
    return "".join(f"{name}\n" for name in names)


def _directory(found: Any) -> bool:
    if isinstance(found, Tags) or (isinstance(found, list) and all(isinstance(each, str) for each in found)):
        return False
    return isinstance(found, Mapping | list)


Said = tuple[int, str, str, dict[str, str]]
"""Status, content type, text and further headers."""


class _Handler(BaseHTTPRequestHandler):
    metadata: Metadata
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Metadata Server for VM", ""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        instance = self.metadata.whose(self.client_address[0])
        path = unquote(url.path)
        self.metadata.asked.append(Asked(instance.name if instance else "", path.removeprefix(ROOT)))
        said = self._said(instance, path, dict(parse_qsl(url.query))) if instance else _page(404, "Not Found")
        status, kind, text, more = said
        body = text.encode()
        self.send_response(status)
        told = {"Metadata-Flavor": "Google", "Content-Type": kind, "Content-Length": str(len(body)), **more}
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        """A guest attribute: what an instance says of itself, where its metadata allows it.
        https://cloud.google.com/compute/docs/metadata/manage-guest-attributes"""
        value = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        instance, path = self.metadata.whose(self.client_address[0]), unquote(urlsplit(self.path).path)
        self.metadata.asked.append(Asked(instance.name if instance else "", path.removeprefix(ROOT)))
        key = re.fullmatch(f"{ROOT}instance/guest-attributes/([^/]+/[^/]+)", path)
        if not instance or not key:
            status, text = 404, "Not Found"
        elif (outage := self.metadata.outage(instance, path.removeprefix(ROOT))) is not None:
            status, text = outage, "The server says no"
        elif self.headers.get("Metadata-Flavor") != "Google":
            status, text = 403, "Missing Metadata-Flavor:Google header."
        elif instance.attributes.get("enable-guest-attributes", "").upper() != "TRUE":
            status, text = 403, "Guest attributes endpoint access is disabled."
        else:
            instance.guest_attributes[key[1]] = value
            status, text = 200, ""
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to standard error: `asked` has them all."""

    def _said(self, instance: Instance, path: str, query: Mapping[str, str]) -> Said:
        if (outage := self.metadata.outage(instance, path.removeprefix(ROOT))) is not None:
            return _page(outage, "The server says no")
        if path in ("", "/"):
            return 200, "application/text", "computeMetadata/\n", {}  # by this, libraries know where they run
        if not path.startswith(ROOT):
            return _page(404, "Not Found")
        if self.headers.get("Metadata-Flavor") != "Google":
            return _page(403, "Missing Metadata-Flavor:Google header.")
        if self.headers.get("X-Forwarded-For"):
            return _page(403, "X-Forwarded-For is not allowed")
        below = path.removeprefix(ROOT)
        if (special := self._token(instance, below, query)) is not None:
            return special
        waits = query.get("wait_for_change") == "true"
        found = (self.metadata.waited if waits else self.metadata.found)(instance, below, query)
        if found is None:
            return _page(404, "Not Found")
        tag = {"ETag": etag(found)}
        if query.get("recursive") == "true" or query.get("alt") == "json" or not _directory(found):
            if _directory(found) or isinstance(found, list) or query.get("alt") == "json":
                return 200, "application/json", json.dumps(_json(found)), tag
            return 200, "application/text", str(found), tag
        if not path.endswith("/"):
            return 301, "text/html", "", {**tag, "Location": f"{path}/"}
        return 200, "application/text", _listed(found), tag

    def _token(self, instance: Instance, path: str, query: Mapping[str, str]) -> Said | None:
        asked = re.fullmatch(r"instance/service-accounts/([^/]+)/(token|identity)", path)
        if not asked:
            return None
        if not instance.account or asked[1] not in ("default", instance.account):
            return _page(404, "Not Found")
        if asked[2] == "token":
            return 200, "application/json", json.dumps(self.metadata.token(instance)), {}
        if not query.get("audience"):
            return _page(400, "non-empty audience parameter required")
        return 200, "text/html", self.metadata.identity(instance, query), {}


def _page(status: int, text: str) -> Said:
    html = f"<!DOCTYPE html>\n<html lang=en>\n<title>Error {status}</title>\n<p>{text}\n</html>\n"
    return status, "text/html; charset=UTF-8", html, {}
