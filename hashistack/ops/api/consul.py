"""The calls to Consul that the project needs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from hashistack.ops.api.http import Api
from hashistack.ops.api.raft import Peer, Raft

HEALTH_CHECK = "hashistack"
"""CheckID under which each machine pushes its own health (a TTL check of a service)."""

GOSSIP_CHECK = "serfHealth"
"""CheckID of what gossip says of a node."""


_FAILED = 4
"""Serf's number for a member that stopped answering without having left."""


@dataclass(frozen=True)
class MachineHealth:
    """What one machine says of itself; `output` is its last JSON line."""

    machine: str
    status: str
    output: str


class Consul:
    """Typed calls over one `Api`."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def raft(self) -> Raft:
        """Peers with autopilot's verdict."""
        peers = self.api.call("GET", "/v1/operator/raft/configuration").data["Servers"]
        # 429 is autopilot's way to say "not healthy".
        health = self.api.call("GET", "/v1/operator/autopilot/health", accept=(429,)).data
        unhealthy = tuple(server["Name"] for server in health["Servers"] or () if not server["Healthy"])
        return Raft(tuple(Peer(p["Node"], p["Voter"], p["Leader"], p["ID"]) for p in peers), unhealthy)

    def transfer_leadership(self, peer: Peer) -> None:
        """Make another voter the leader. POST alone: this one path of Consul takes no PUT."""
        self.api.call("POST", "/v1/operator/raft/transfer-leader", params={"id": peer.id})

    def set_quorum(self, voters: int) -> None:
        """Let autopilot never leave fewer than `voters`; nothing is written where that is so already."""
        now = self.api.call("GET", "/v1/operator/autopilot/configuration").data
        if now["MinQuorum"] != voters:
            self.api.call("PUT", "/v1/operator/autopilot/configuration", body={**now, "MinQuorum": voters})

    def forget(self, name: str) -> None:
        """Take a machine that is no more out of Raft, gossip and catalog; what is gone already is fine.

        A member that has left is left alone. Pruning it makes the servers drop its address, which another machine may
        have by now: "Raft leader not found in server lookup mapping".
        """
        for peer in self.raft().peers:
            if peer.name == name:
                self.api.call("DELETE", "/v1/operator/raft/peer", params={"id": peer.id}, accept=(400, 404, 500))
        members = self.api.call("GET", "/v1/agent/members").data
        if any(member["Name"] == name and member["Status"] == _FAILED for member in members):
            self.api.call("PUT", f"/v1/agent/force-leave/{name}", accept=(404, 500))
        self.api.call("PUT", "/v1/catalog/deregister", body={"Node": name}, accept=(404,))

    def machines(self) -> dict[str, str]:
        """Every machine in the catalog: name -> pool (node meta `hashistack_pool`, "" without)."""
        nodes = self.api.call("GET", "/v1/catalog/nodes").data
        return {node["Node"]: (node.get("Meta") or {}).get("hashistack_pool", "") for node in nodes}

    def addresses(self) -> dict[str, str]:
        """Every machine in the catalog to its address."""
        return {node["Node"]: node["Address"] for node in self.api.call("GET", "/v1/catalog/nodes").data}

    def builds(self) -> dict[str, str]:
        """The release of Consul that each member runs."""
        members = self.api.call("GET", "/v1/agent/members").data
        return {member["Name"]: member["Tags"]["build"].partition(":")[0] for member in members}

    def machine_health(self) -> tuple[MachineHealth, ...]:
        """The `hashistack` check of every machine that has pushed one; critical where gossip misses the machine.

        What a machine says of itself holds for 30 s (the check's TTL), and it may have vanished since.
        """
        wanted = f'CheckID == "{HEALTH_CHECK}" or (CheckID == "{GOSSIP_CHECK}" and Status != "passing")'
        checks = self.api.call("GET", "/v1/health/state/any", params={"filter": wanted}).data
        missed = {c["Node"] for c in checks if c["CheckID"] == GOSSIP_CHECK}
        return tuple(
            MachineHealth(c["Node"], "critical" if c["Node"] in missed else c["Status"], c["Output"])
            for c in checks
            if c["CheckID"] == HEALTH_CHECK
        )

    def instances(self, service: str, tag: str = "") -> list[tuple[str, int]]:
        """Address and port of each instance of a service that passes its checks, as its name is answered by DNS."""
        params: dict[str, str | int] = {"passing": "true", **({"tag": tag} if tag else {})}
        found = self.api.call("GET", f"/v1/health/service/{quote(service, safe='')}", params=params).data
        return [(one["Service"]["Address"] or one["Node"]["Address"], int(one["Service"]["Port"])) for one in found]

    def delete_keys(self, prefix: str) -> None:
        """Delete all keys that begin with `prefix`, which is not empty."""
        if not prefix:
            raise ValueError("an empty prefix is every key")
        self.api.call("DELETE", f"/v1/kv/{quote(prefix)}", params={"recurse": "true"})

    def has_auth_method(self, name: str) -> bool:
        """Whether the ACL auth method exists (workloads can't log in before)."""
        return self.api.call("GET", f"/v1/acl/auth-method/{name}", accept=(404,)).status == 200

    def dns_domain(self) -> str:
        """The domain of the cluster's names, without dots at its ends; `consul` by default."""
        agent = self.api.call("GET", "/v1/agent/self").data
        return str(agent.get("DebugConfig", {}).get("DNSDomain") or "consul").strip(".")
