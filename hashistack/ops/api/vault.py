"""The calls to Vault that the project needs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from hashistack.ops.api.connection import Endpoint
from hashistack.ops.api.http import Api, ApiError
from hashistack.ops.api.raft import Peer, Raft

HEALTH = {200: "active", 429: "standby", 472: "standby", 473: "standby", 501: "uninitialised", 503: "sealed"}

Seen = Literal["active", "standby", "uninitialised", "sealed"]


@dataclass(frozen=True)
class VaultServer:
    """What one server says of itself without a token."""

    address: str
    state: Seen
    version: str = ""


class Vault:
    """Typed calls over one `Api`; logs in as the operator when a call first needs it."""

    def __init__(self, api: Api, endpoint: Endpoint) -> None:
        self.api = api
        self._endpoint = endpoint
        self._token = ""
        self._renew_at = 0.0

    def health(self) -> tuple[VaultServer, ...]:
        """The own state of each server that answers, asked one by one."""
        asked = (self._health(address) for address in self.api.addresses)
        return tuple(server for server in asked if server)

    def _health(self, address: str) -> VaultServer | None:
        try:
            answer = self.api.call("GET", "/v1/sys/health", accept=tuple(HEALTH), address=address)
        except ApiError:
            return None
        state: Seen = HEALTH[answer.status]  # type: ignore[assignment]
        return VaultServer(address, state, str((answer.data or {}).get("version", "")))

    def login(self) -> str:
        """A fresh operator token (it lives as long as the userpass role says: one hour)."""
        path = f"/v1/auth/userpass/login/{quote(self._endpoint.username)}"
        answer = self.api.call("PUT", path, body={"password": self._endpoint.secret})
        self._token = str(answer.data["auth"]["client_token"])
        self._renew_at = time.monotonic() + int(answer.data["auth"]["lease_duration"]) * 2 / 3
        return self._token

    def raft(self) -> Raft:
        """Peers of the integrated storage with autopilot's verdict; a sealed one loses contact, so it is unhealthy."""
        answer = self.api.call("GET", "/v1/sys/storage/raft/configuration", token=self.header())
        servers = answer.data["data"]["config"]["servers"]
        state = self.api.call("GET", "/v1/sys/storage/raft/autopilot/state", token=self.header(), accept=(404,))
        seen = (state.data or {}).get("data") or {}
        unhealthy = tuple(name for name, one in (seen.get("servers") or {}).items() if not one.get("healthy"))
        peers = tuple(Peer(p["node_id"], p["voter"], p["leader"], p["node_id"]) for p in servers)
        return Raft(peers, tuple(name for name in unhealthy if any(peer.name == name for peer in peers)))

    def forget(self, name: str) -> None:
        """Take a server that is no more out of Raft; one that is gone already is fine."""
        path = "/v1/sys/storage/raft/remove-peer"
        self.api.call("PUT", path, body={"server_id": name}, token=self.header(), accept=(400, 404))

    def set_quorum(self, servers: int) -> None:
        """Let autopilot never remove dead servers below `servers`; nothing is written where that is so already."""
        path = "/v1/sys/storage/raft/autopilot/configuration"
        now = self.api.call("GET", path, token=self.header()).data["data"]
        if now["min_quorum"] != servers:
            now.pop("disable_upgrade_migration", None)  # told by every edition, taken by Enterprise alone
            self.api.call("PUT", path, body={**now, "min_quorum": servers}, token=self.header())

    def policies(self) -> dict[str, str]:
        """The ACL policies but `root`, which has no text: name to text."""
        path = "/v1/sys/policies/acl"
        names = self.api.call("GET", path, params={"list": "true"}, token=self.header()).data["data"]["keys"]
        asked = {
            name: self.api.call("GET", f"{path}/{quote(name, safe='')}", token=self.header(), accept=(404,))
            for name in names
            if name != "root"
        }
        return {name: answer.data["data"]["policy"] for name, answer in asked.items() if answer.status == 200}

    def mounts(self, kind: Literal["auth", "mounts"]) -> dict[str, str]:
        """Path to type of the auth methods, or of the secrets engines (`mounts`)."""
        found = self.api.call("GET", f"/v1/sys/{kind}", token=self.header()).data["data"]
        return {path: one["type"] for path, one in found.items()}

    def write_secret(self, path: str, values: Mapping[str, str]) -> None:
        """Write a version of the KV v2 secret at `kv/<path>`."""
        self.api.call("PUT", f"/v1/kv/data/{path}", body={"data": dict(values)}, token=self.header())

    def delete_secrets(self, path: str) -> None:
        """Delete the KV v2 secrets `kv/<path>` and below it, with all their versions."""
        listing = f"/v1/kv/metadata/{path}/"
        found = self.api.call("GET", listing, params={"list": "true"}, token=self.header(), accept=(404,))
        for name in found.data["data"]["keys"] if found.status == 200 else ():
            self.delete_secrets(f"{path}/{name.rstrip('/')}")
        self.api.call("DELETE", f"/v1/kv/metadata/{path}", token=self.header(), accept=(404,))

    def header(self) -> tuple[str, str]:
        """Name and value of the header with a token that still lives."""
        if not self._token or time.monotonic() > self._renew_at:
            self.login()
        return ("X-Vault-Token", self._token)
