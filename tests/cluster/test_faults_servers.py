"""F1 and F2: leaders that are killed, and a server that is lost for good. F4 and F6: see test_leaving.py."""

from __future__ import annotations

from pathlib import Path

from bench.writes import Writes
from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.http import ApiError

from .datacenter import Datacenter, Machine
from .project import until
from .raft import PRODUCTS, Leading, ghosts, leader, leader_of_all, nothing_lost, peers


def agree(cluster: Cluster, product: str) -> bool:
    """The product's three servers vote, and have one leader."""
    try:
        return bool(getattr(cluster, product).raft().has_quorum(3))
    except ApiError:
        return False  # an election is under way


def kill(machine: Machine, product: str) -> None:
    """SIGKILL; returns when its supervisor has started another."""
    killed = machine.process(product)
    machine.sh(f"kill -9 {killed} || ! kill -0 {killed}")
    until(lambda: machine.run(f"pgrep -f '/{product} (agent|server) '")[1].strip() not in ("", killed), 60, "a restart")


def test_f1_leaders_that_are_killed_lose_no_write_and_have_one_successor(datacenter: Datacenter) -> None:
    datacenter.healthy()
    with Cluster(datacenter.connection) as cluster:
        writes = Writes(cluster)
        writes.start()
        try:
            for product in PRODUCTS:
                with Leading(datacenter, product) as seen:
                    kill_leader(datacenter, cluster, product, seen)
                print(f"{product}: {' -> '.join(seen.moves)}")
                assert seen.doubles == [], product
        finally:
            written = writes.stop()
    nothing_lost(written)
    datacenter.healthy()


def kill_leader(datacenter: Datacenter, cluster: Cluster, product: str, seen: Leading) -> None:
    """Returns when all agree on one leader again."""
    until(lambda: seen.moves, 20, f"{product} is led")
    victim = leader(datacenter, product)
    assert seen.moves == [victim.name]
    kill(victim, product)
    until(lambda: agree(cluster, product), 60, f"{product}'s servers agree again")
    until(lambda: seen.moves[-1] == leader(datacenter, product).name, 60, f"one server calls itself {product}'s leader")


def test_f2_a_server_that_is_lost_for_good_is_replaced_by_heal(datacenter: Datacenter, tmp_path: Path) -> None:
    """The leader of all three, and the proxy too that gives the APIs an address that outlives every server."""
    datacenter.healthy()
    set_before = {name: datacenter.environment[name] for name in ("NOMAD_ADDR", "CONSUL_HTTP_ADDR", "VAULT_ADDR")}
    lost = leader_of_all(datacenter)
    filters = {"label": [f"hashistack.cluster={datacenter.site}", "hashistack.role=api"]}
    (proxy,) = datacenter.client.containers.list(filters=filters)
    with Cluster(datacenter.connection) as cluster:
        writes = Writes(cluster)
        writes.start()
        try:
            for container in (lost.container, proxy):
                container.remove(force=True, v=True)
            said = datacenter.project.run("heal")
        finally:
            written = writes.stop()
    print(said)
    assert "· all are as declared" in said
    nothing_lost(written)
    names = sorted(server.name for server in datacenter.servers)
    assert len(names) == 3
    assert lost.name not in names
    # A shell that was set before: its Vault is the active one, so a snapshot is whole.
    saved = str(tmp_path / "vault.snap")
    datacenter.vendor("vault", "operator", "raft", "snapshot", "save", saved, **set_before)
    datacenter.vendor("vault", "operator", "raft", "snapshot", "inspect", saved)
    for product in PRODUCTS:
        assert lost.name not in datacenter.vendor(product, "operator", "raft", "list-peers", **set_before)
    voters = {product: [(name, True) for name in names] for product in PRODUCTS}
    for server in datacenter.servers:
        assert peers(server) == voters
        # Nomad's gossip has the timing of a WAN: it misses who has vanished after some 40 s, and autopilot, which looks
        # every 10 s, then has it forgotten. A heal is over before that.
        until(lambda server=server: ghosts(lost, server) == [], 180, f"{server.name} has forgotten {lost.name}")
    datacenter.healthy()
    # A machine that is not well for a moment is waited for, which is something to do.
    until(lambda: "nothing to do" in datacenter.project.run("heal"), 60, "all are well")
    assert "nothing to change" in datacenter.project.run("up")


def test_a_server_and_a_client_that_are_lost_are_replaced_by_up(datacenter: Datacenter) -> None:
    """Both killed outright: the leader of Nomad and, since its job runs there, a client with work."""
    datacenter.healthy()
    before = datacenter.machines()
    lost = [leader(datacenter, "nomad"), datacenter.clients[0]]
    with Cluster(datacenter.connection) as cluster:
        writes = Writes(cluster)
        writes.start()
        try:
            for machine in lost:
                machine.container.remove(force=True, v=True)
            print(datacenter.project.run("up"))
            nodes = {node["Name"]: node["Status"] for node in datacenter.nomad("/v1/nodes")}
        finally:
            written = writes.stop()
    nothing_lost(written)
    names = sorted(server.name for server in datacenter.servers)
    assert len(names) == 3
    assert len(datacenter.clients) == 2
    assert not {machine.name for machine in lost} & {machine.name for machine in datacenter.machines()}
    for server in datacenter.servers:
        assert peers(server) == {product: [(name, True) for name in names] for product in PRODUCTS}
    # New names, ready as soon as it ends.
    (client,) = {machine.name for machine in datacenter.clients} - {machine.name for machine in before}
    assert nodes[client] == "ready"
    until(
        lambda: {node["Name"] for node in datacenter.nomad("/v1/nodes")} == {one.name for one in datacenter.clients},
        90,
        "Nomad has forgotten the client that was lost",
    )
    datacenter.healthy()
    assert "nothing to change" in datacenter.project.run("up")
