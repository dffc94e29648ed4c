"""Who votes and who leads, as the servers say of themselves, and what they still know of what is gone."""

from __future__ import annotations

import json
import threading
from types import TracebackType
from typing import Any

import httpx

from bench.writes import Written
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.consul import Consul
from hashistack.ops.api.http import ApiError
from hashistack.ops.api.nomad import Nomad

from .datacenter import ANSWER_SECONDS, Datacenter, Machine
from .project import until

PRODUCTS = ("consul", "nomad", "vault")
_LOOK_SECONDS = 0.1


def ask(machine: Machine, path: str, header: str) -> Any:
    """What one of the machine's own agents answers, by a token that the machine has.

    An election takes a moment, and so does the machine's next login to Vault when its token has run out.
    """
    last: tuple[int, str] = (0, "")

    def answers() -> bool:
        nonlocal last
        last = machine.get(path, f"-H @/run/hashistack/api/{header}")
        return last[0] == 200

    until(answers, ANSWER_SECONDS, lambda: f"{machine.name}: {path}: {last[0]} {last[1]}")
    return json.loads(last[1])


def peers(machine: Machine) -> dict[str, list[tuple[str, bool]]]:
    """Raft's peers, and whether they vote, as this server's products see them."""
    consul = ask(machine, "http://127.0.0.1:8500/v1/operator/raft/configuration", "consul-agent")
    nomad = ask(machine, "https://localhost:4646/v1/operator/raft/configuration", "nomad")
    vault = ask(machine, "https://localhost:8200/v1/sys/storage/raft/configuration", "vault")
    return {
        "consul": sorted((one["Node"], one["Voter"]) for one in consul["Servers"]),
        "nomad": sorted((one["Node"].partition(".")[0], one["Voter"]) for one in nomad["Servers"]),
        "vault": sorted((one["node_id"], one["voter"]) for one in vault["data"]["config"]["servers"]),
    }


def leader(datacenter: Datacenter, product: str) -> Machine:
    """The server that leads the product's Raft, once there is one."""
    with Cluster(datacenter.connection) as cluster:

        def named() -> str:
            try:
                return str(getattr(cluster, product).raft().leader)
            except ApiError:
                return ""  # an election is under way

        name = until(named, ANSWER_SECONDS, f"{product} has a leader")
    return next(server for server in datacenter.servers if server.name == name)


def leader_of_all(datacenter: Datacenter) -> Machine:
    """The server that leads Vault, once it leads Consul and Nomad too: Vault lets nobody choose."""
    chosen = leader(datacenter, "vault")
    with Cluster(datacenter.connection) as cluster:
        for api in (cluster.consul, cluster.nomad):

            def leads(api: Consul | Nomad = api) -> bool:
                try:
                    raft = api.raft()
                    if raft.leader == chosen.name:
                        return True
                    if raft.leader:
                        api.transfer_leadership(next(peer for peer in raft.peers if peer.name == chosen.name))
                except ApiError:
                    pass  # an election is under way
                return False

            until(leads, 2 * ANSWER_SECONDS, lambda api=api: f"{chosen.name} leads: {api.raft().describe(3)}")
    return chosen


def ghosts(machine: Machine, asked: Machine) -> list[str]:
    """Where the machine can still be seen; gossip too has forgotten it."""
    found = [f"{product}'s peers" for product, known in peers(asked).items() if machine.name in dict(known)]
    catalog = ask(asked, "http://127.0.0.1:8500/v1/catalog/nodes", "consul-agent")
    found += ["Consul's catalog" for node in catalog if node["Node"] == machine.name]
    members = ask(asked, "http://127.0.0.1:8500/v1/agent/members", "consul-agent")
    found += [f"Consul's members: {m['Status']}" for m in members if m["Name"] == machine.name]
    nomad = ask(asked, "https://localhost:4646/v1/agent/members", "nomad")["Members"]
    found += [f"Nomad's members: {m['Status']}" for m in nomad if m["Name"].partition(".")[0] == machine.name]
    nodes = ask(asked, "https://localhost:4646/v1/nodes", "nomad")
    found += [f"Nomad's nodes: {node['Status']}" for node in nodes if node["Name"] == machine.name]
    return found


def nothing_lost(written: dict[str, Written]) -> None:
    """Every write was acknowledged at last, and every one that was is still there."""
    print({name: (one.acknowledged, f"{one.longest:.1f} s") for name, one in written.items()})
    for name, one in written.items():
        assert one.acknowledged, name
        assert (one.lost, one.given_up) == ((), 0), name


class Leading:
    """Asks every server that a product has now, again and again, whether it leads.

    moves: who led, one after the other. doubles: pairs that led at the same time.
    """

    def __init__(self, datacenter: Datacenter, product: str) -> None:
        self.product = product
        self.moves: list[str] = []
        self.doubles: list[tuple[str, str]] = []
        places = getattr(datacenter.declared, product).servers
        self._addresses = {
            server.name: places[int(server.container.labels["hashistack.slot"])] for server in datacenter.servers
        }
        self._connection, self._http = datacenter.connection, datacenter.http()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Leading:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._http.close()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            leading = [name for name in self._addresses if self._leads(name)]
            # The first said so before the second did: only when it says so after that too, both led at one time.
            if len(leading) > 1 and self._leads(leading[0]):
                self.doubles.append((leading[0], leading[1]))
            if len(leading) == 1 and self.moves[-1:] != leading:
                self.moves.append(leading[0])

    def _leads(self, name: str) -> bool:
        address = self._addresses[name]
        try:
            if self.product == "vault":
                return self._http.get(f"{address}/v1/sys/health").status_code == 200
            if self.product == "consul":
                said = self._self(address, "X-Consul-Token", self._connection.consul.secret)
                return bool(said["Stats"]["raft"]["state"] == "Leader")
            said = self._self(address, "X-Nomad-Token", self._connection.nomad.secret)
            return bool(said["stats"]["raft"]["state"] == "Leader")
        except (httpx.HTTPError, ValueError, KeyError):
            return False  # it does not run, or not yet

    def _self(self, address: str, header: str, token: str) -> Any:
        return self._http.get(f"{address}/v1/agent/self", headers={header: token}).raise_for_status().json()
