"""`hashistack status`: what is seen of a cluster now, as data and as a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hashistack.ops.api.cluster import Cluster
from hashistack.ops.api.connection import Connection
from hashistack.ops.api.http import ApiError
from hashistack.ops.api.raft import Raft
from hashistack.ops.readiness.checks import missing_drivers
from hashistack.ops.rollout.driver import Instance
from hashistack.ops.snapshots.last import last_snapshot
from hashistack.ops.snapshots.loss import loss
from hashistack.spec.release_warnings import of_releases

_COLUMNS = ("node", "role", "nomad", "consul", "vault", "dns", "allocs")


def look(cluster: Cluster, stopped: Sequence[Instance] = ()) -> dict[str, Any]:
    """What the three APIs say now. A product that does not answer is an entry in `problems`, not an error.

    stopped: machines that do not run and can be started again.
    """
    asked: dict[str, Callable[[], Any]] = {
        "consul": cluster.consul.raft,
        "nomad": cluster.nomad.raft,
        "vault": cluster.vault.raft,
        "machines": cluster.consul.machines,
        "health": cluster.consul.machine_health,
        "nodes": cluster.nomad.nodes,
        "running": cluster.nomad.running,
        "servers": cluster.vault.health,
        "snapshot": lambda: last_snapshot(cluster),
        "loss": lambda: loss(cluster),
    }
    problems = [f"{one.name} is stopped. Next: hashistack start" for one in stopped]
    failed: list[ApiError] = []
    seen: dict[str, Any] = {}
    with ThreadPoolExecutor(len(asked)) as workers:
        futures = {name: workers.submit(call) for name, call in asked.items()}
        for name, future in futures.items():
            try:
                seen[name] = future.result()
            except ApiError as error:
                failed.append(error)
    problems += _each_once(failed)
    rafts = {name: seen[name] for name in ("nomad", "consul", "vault") if name in seen}
    machines: Mapping[str, str] = seen.get("machines", {})
    health = {one.machine: one for one in seen.get("health", ())}
    nodes = {node.name: node for node in seen.get("nodes", ())}
    where = cluster.connection
    declared = {pool.name: pool for pool in where.pools}
    roles = {name: pool.role for name, pool in declared.items()}
    rows = []
    for name in sorted(set(machines) | set(nodes), key=lambda n: (roles.get(machines.get(n, "")) != "server", n)):
        # A machine that is not ours may be in the catalog: it has no pool.
        pool = machines.get(name) or (nodes[name].node_class if name in nodes else "")
        server = roles.get(pool) == "server"
        node = nodes.get(name)
        if node and node.usable and pool in declared:
            problems += [f"{name}: no driver {missing}" for missing in missing_drivers(declared[pool], node)]
        rows.append(
            {
                "node": name,
                "role": "server" if server else f"client {pool}" if pool else "unknown",
                "nomad": _role(rafts.get("nomad"), name) if server else _client(node),
                "consul": _role(rafts.get("consul"), name) if server else ("member" if name in machines else "gone"),
                "vault": _role(rafts.get("vault"), name, "active", "standby") if server else "-",
                "dns": _said(health.get(name), "dns"),
                "allocs": None if server else seen.get("running", {}).get(name, 0),
            }
        )
    vault_states = [server.state for server in seen.get("servers", ())]
    problems += [
        f"vault: {server.address} is {server.state}"
        for server in seen.get("servers", ())
        if server.state not in ("active", "standby")
    ]
    servers = where.machines("server")
    # Who is away is not heard; a load balancer's lone address stands for all of them.
    expected, heard = min(servers, len(where.vault.addresses)), len(vault_states)
    if "servers" in seen and heard < expected:
        problems.append(f"vault: {heard} of {expected} servers answer")
    problems += [f"{one.machine}: {one.output or one.status}" for one in health.values() if one.status != "passing"]
    problems += dict.fromkeys(error.remedy for error in failed if error.remedy)
    problems += [f"{name}: {raft.describe(servers)}" for name, raft in rafts.items() if not raft.has_quorum(servers)]
    problems += [told] if (told := seen.get("loss")) else []
    snapshot, now = seen.get("snapshot"), datetime.now(UTC)
    if snapshot and (late := snapshot.problem(now)):
        problems.append(late)
    missing = where.machines() - len(rows)
    if "machines" in seen and missing > 0:
        problems.append(f"{missing} of {where.machines()} machines are not in Consul's catalog")
    return {
        "cluster": where.name,
        "provider": where.provider,
        "datacenter": where.datacenter,
        "healthy": not problems,
        "machines": rows,
        "can_lose": {name: raft.can_lose for name, raft in rafts.items()},
        "vault": vault_states,
        "certificate_days": where.certificate_days(),
        "snapshot": snapshot
        and {**asdict(snapshot), **{key: _iso(getattr(snapshot, key)) for key in ("taken", "since")}},
        "snapshot_told": snapshot.describe(now) if snapshot else "none at intervals",
        "releases": _releases(where),
        "problems": problems,
    }


def asleep(connection: Connection, stopped: Sequence[Instance]) -> dict[str, Any]:
    """The same of a cluster whose machines are all stopped, or gone: there is nobody to ask."""
    roles = {pool.name: pool.role for pool in connection.pools}
    rows = [
        {
            "node": one.name,
            "role": "server" if roles.get(one.pool) == "server" else f"client {one.pool}",
            "nomad": "stopped",
            "consul": "stopped",
            "vault": "stopped" if roles.get(one.pool) == "server" else "-",
            "dns": "stopped",
            "allocs": None,
        }
        for one in sorted(stopped, key=lambda one: (roles.get(one.pool) != "server", one.name))
    ]
    return {
        "cluster": connection.name,
        "provider": connection.provider,
        "datacenter": connection.datacenter,
        "healthy": False,
        "machines": rows,
        "can_lose": {},
        "vault": [],
        "certificate_days": connection.certificate_days(),
        "snapshot": None,
        "snapshot_told": "nobody can be asked",
        "releases": _releases(connection),
        "problems": [
            f"the cluster is stopped, with its data: {len(rows)} machines. Next: hashistack start"
            if rows
            else "the cluster has no machine any more. Next: hashistack up, which says what can be done"
        ],
    }


def render(status: Mapping[str, Any]) -> RenderableType:
    """The table for people."""
    table = Table(box=None, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column.upper())
    for row in status["machines"]:
        table.add_row(*(Text("-" if row[column] is None else str(row[column])) for column in _COLUMNS))
    state = "healthy" if status["healthy"] else "NOT healthy"
    head = f"{status['cluster']}  {status['provider']}  {status['datacenter']}  {state}"
    lose = ", ".join(f"{name} {count}" for name, count in status["can_lose"].items()) or "unknown"
    foot = f"quorum: servers that may still fail: {lose} · certificates: valid {status['certificate_days']} days"
    kept = f"snapshots: {status['snapshot_told']}"
    address, _, port = status.get("resolver", "").partition(":")
    names = [f"names: dig @{address} -p {port} NAME"] if port else []
    ports = [f"published: {one}" for one in status.get("published", ())]
    below = [foot, kept, *names, *ports, *status["releases"], *(f"! {problem}" for problem in status["problems"])]
    return Group(Text(head), table, *map(Text, below))


def _releases(connection: Connection) -> list[str]:
    """What is to be said of the releases, and the command that clears it: two lines, or none."""
    told = of_releases(connection.versions)
    return [f"releases: {told.what}", told.remedy] if told else []


def _each_once(failed: Sequence[ApiError]) -> list[str]:
    """What each product answers that can't answer: its first call stands for those that met the same."""
    alike: dict[tuple[str, int | None], list[ApiError]] = {}
    for error in failed:
        alike.setdefault((error.product, error.status), []).append(error)
    return [
        f"{first.what}{f'; the same for {len(others)} more' if others else ''}" for first, *others in alike.values()
    ]


def _role(raft: Raft | None, machine: str, leader: str = "leader", follower: str = "follower") -> str:
    if raft is None:
        return "?"
    peer = next((peer for peer in raft.peers if peer.name == machine), None)
    if peer is None:
        return "no peer"
    if peer.name in raft.unhealthy:
        return "unhealthy"
    return leader if peer.leader else follower if peer.voter else "non-voter"


def _client(node: Any) -> str:
    if node is None:
        return "no node"
    if node.draining:
        return "draining"
    return str(node.status if node.eligible else f"{node.status}, ineligible")


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _said(health: Any, check: str) -> str:
    """One check out of the JSON line that a machine pushes."""
    if health is None:
        return "?"
    try:
        return str(json.loads(health.output)["checks"][check])
    except (ValueError, KeyError, TypeError):
        return str(health.status)
