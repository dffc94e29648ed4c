"""What `status` makes of what the three APIs say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from hashistack.cli.status import look, render
from hashistack.ops.api.connection import Pool
from hashistack.ops.api.http import Answer, ApiError
from hashistack.ops.api.raft import Peer, Raft
from hashistack.ops.api.vault import VaultServer


def cluster(
    servers: int = 1,
    addresses: int = 1,
    answers: int = 1,
    strangers: Sequence[str] = (),
    snapshot: dict[str, Any] | None = None,
    lost: str = "",
) -> Any:
    """A cluster of servers that are well in Raft's eyes, and so many of whose Vaults answer."""
    names = [f"server-{number + 1}" for number in range(servers)]
    raft = Raft(tuple(Peer(name, True, name == "server-1") for name in names))
    kept = {
        "/v1/kv/hashistack/snapshots": json.dumps(snapshot) if snapshot else "",
        "/v1/kv/hashistack/lost": lost,
    }
    places = tuple(f"https://10.0.0.{number}:8200" for number in range(addresses))
    return SimpleNamespace(
        connection=SimpleNamespace(
            name="shop-1f",
            provider="local",
            datacenter="dc1",
            pools=(Pool("server", "server", servers),),
            machines=lambda role=None: servers,
            certificate_days=lambda: 300,
            versions={"nomad": "1.11.3", "consul": "2.0.2"},
            vault=SimpleNamespace(addresses=places),
        ),
        consul=SimpleNamespace(
            api=SimpleNamespace(call=lambda _, path, **__: Answer(200 if kept[path] else 404, kept[path], 0)),
            raft=lambda: raft,
            machines=lambda: {**dict.fromkeys(names, "server"), **dict.fromkeys(strangers, "")},
            machine_health=lambda: (),
        ),
        nomad=SimpleNamespace(raft=lambda: raft, nodes=lambda: (), running=dict),
        vault=SimpleNamespace(
            raft=lambda: raft,
            health=lambda: tuple(
                VaultServer(place, "standby" if number else "active") for number, place in enumerate(places[:answers])
            ),
        ),
    )


def test_the_releases_faults_are_named_in_two_lines_and_make_no_cluster_ill() -> None:
    seen = look(cluster())
    assert (seen["healthy"], seen["problems"]) == (True, [])
    first, second = seen["releases"]
    assert first.startswith("releases: nomad 1.11.3 has CVE-2026-6959, ")
    assert second == "Next: hashistack upgrade --to nomad=2.0.4 (not proven by our own tests)"
    screen = Console(width=400, record=True, file=StringIO())
    screen.print(render(seen))
    assert f"{first}\n{second}\n" in re.sub(" +\n", "\n", screen.export_text())


def test_where_this_machine_is_answered_for_names_is_told() -> None:
    screen = Console(width=400, record=True, file=StringIO())
    screen.print(render({**look(cluster()), "resolver": "127.0.0.1:30144", "published": ["127.0.0.1:80 leads"]}))
    said = screen.export_text()
    assert "names: dig @127.0.0.1 -p 30144 NAME" in said and "published: 127.0.0.1:80 leads" in said


def test_a_machine_in_the_catalog_that_is_not_ours_is_shown_as_such() -> None:
    roles = {row["node"]: row["role"] for row in look(cluster(strangers=["stranger"]))["machines"]}
    assert roles == {"server-1": "server", "stranger": "unknown"}


@pytest.mark.parametrize(
    ("addresses", "answers", "problems"),
    [
        (3, 3, []),
        (5, 3, []),  # two places that only a surge takes
        (5, 2, ["vault: 2 of 3 servers answer"]),
        (1, 1, []),  # a load balancer
        (1, 0, ["vault: 0 of 1 servers answer"]),
    ],
)
def test_a_server_whose_vault_is_away_is_a_problem_though_autopilot_has_not_missed_it(
    addresses: int, answers: int, problems: list[str]
) -> None:
    seen = look(cluster(3, addresses, answers))
    assert (seen["problems"], seen["healthy"]) == (problems, not problems)


def test_a_product_without_a_leader_is_one_problem_however_many_calls_met_it() -> None:
    asked = cluster(3)

    def leaderless(product: str, path: str) -> Callable[[], Any]:
        def call(*_: object, **__: object) -> Any:
            raise ApiError(product, "GET", path, 500, "No cluster leader")

        return call

    for name, path in (("raft", "/v1/operator/raft/configuration"), ("machines", "/v1/catalog/nodes")):
        setattr(asked.consul, name, leaderless("consul", path))
    asked.nomad.nodes = leaderless("nomad", "/v1/nodes")
    assert look(asked)["problems"] == [
        "consul: GET /v1/operator/raft/configuration answered 500: No cluster leader; the same for 1 more",
        "nomad: GET /v1/nodes answered 500: No cluster leader",
    ]


def test_when_the_last_snapshot_was_taken_is_told_and_a_late_one_is_a_problem() -> None:
    def seen(before: timedelta) -> dict[str, Any]:
        taken = (datetime.now(UTC) - before).strftime("%Y-%m-%dT%H:%M:%SZ")
        return look(cluster(snapshot={"every": 3600, "taken": taken, "where": "/home/me/a.tar", "size": 9}))

    assert seen(timedelta(minutes=30))["snapshot_told"] == "30 min ago, /home/me/a.tar"
    assert seen(timedelta(minutes=30))["healthy"]
    late = seen(timedelta(hours=3))
    assert not late["healthy"]
    assert late["problems"][0].startswith("the last snapshot is 3 h old")
    assert look(cluster())["snapshot_told"] == "none at intervals"


def test_a_cluster_that_lost_all_its_servers_says_so_and_what_to_do() -> None:
    seen = look(cluster(lost="2026-11-30T12:00:00Z"))
    assert not seen["healthy"]
    (told,) = seen["problems"]
    assert told.startswith("all servers were lost before 2026-11-30T12:00:00Z")
    assert "hashistack snapshot restore ARCHIVE" in told
    assert "consul kv delete hashistack/lost" in told
